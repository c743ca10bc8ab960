"""`seqkit score`: how surprising a text is."""

from __future__ import annotations

import json
from typing import Any

import click

from seqkit.cli.input import log_notes, open_text, overrides_argument, read_pieces
from seqkit.cli.output import json_option, plugin_option, print_json, print_values


@click.command("score")
@click.argument("directory", metavar="DIR")
@click.argument("file", metavar="FILE|-")
@overrides_argument
@click.option(
    "--color/--no-color",
    "color",
    default=None,
    help="Show the text, coloured by surprisal. [default: its beginning, on a terminal]",
)
@click.option(
    "--tokens", "table", is_flag=True, help="Print a line for each token: the token, a tab, its bits."
)
@plugin_option
@json_option
def command(
    directory: str,
    file: str,
    overrides: tuple[str, ...],
    plugins: tuple[str, ...],
    color: bool | None,
    table: bool,
    as_json: bool,
) -> None:
    """Score the text in FILE, or standard input, with the run in DIR.

    The text is read once, from its start to its end, with the state carried; it may be longer than memory.
    FILE may be a folder, a glob, or a table of texts: source.column=title names the column.
    """
    import seqkit

    if table and as_json:
        raise click.UsageError("--tokens prints a table; --json has the bits of the tokens as surprisal.")
    if overrides and file == "-":
        raise click.UsageError("source.KEY=VALUE says how a FILE is read; standard input is UTF-8.")
    run = seqkit.load(directory, plugins=plugins)
    text = read_pieces(run, file) if file == "-" else open_text(run, file, overrides)
    if as_json:
        score = vars(run.score(text))
        print_json({**score, "surprisal": [round(bits, 6) for bits in score["surprisal"].tolist()]})
    elif table:
        _print_tokens(run, text)
    else:
        _print_totals(run, text, color)
    log_notes(text)


def _print_tokens(run: Any, text: Any) -> None:
    from seqkit.inference.spelling import token_texts

    for block in run.score_blocks(text):
        texts = token_texts(run.tokenizer, block.text, block.ids)
        for text, bits in zip(texts, block.bits, strict=True):
            click.echo(f"{json.dumps(text, ensure_ascii=False)}\t{bits:.4f}")


def _print_totals(run: Any, text: Any, color: bool | None) -> None:
    from rich.console import Console

    from seqkit.cli.surprisal import SurprisalScale
    from seqkit.inference.score import Total

    terminal = Console()
    wanted = terminal.is_terminal and not terminal.no_color if color is None else color
    scale, total = SurprisalScale(run.tokenizer), Total()
    for number, block in enumerate(run.score_blocks(text)):
        total.add(block)
        if wanted and number == 0:
            scale.print_legend()
        if wanted and (number == 0 or color):
            scale.print_text(block)
        elif wanted and number == 1:
            click.echo("\n... (--color shows all of it)", nl=False)
    metrics = total.metrics()
    if wanted:
        click.echo("\n")
    print_values(metrics, run.tokenizer.unit)
