"""`seqkit score`: how surprising a text is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click

from seqkit.cli.foreign import echo
from seqkit.cli.input import log_notes, open_text, overrides_argument, read_pieces
from seqkit.cli.opening import open_run, step_option
from seqkit.cli.output import json_option, plugin_option, print_json, print_values


@click.command("score")
@click.argument("directory", metavar="DIR")
@click.argument("file", metavar="FILE|-")
@overrides_argument
@click.option(
    "--color/--no-color",
    "color",
    default=None,
    help="Show the text, coloured by surprisal. [default: only its beginning, and only on a terminal]",
)
@click.option(
    "--tokens", "table", is_flag=True, help="Print a line for each token: the token, a tab, its bits."
)
@click.option(
    "--lines",
    "by_line",
    is_flag=True,
    help="Print for each line its bits per character, its number and its text, separated by tabs.",
)
@click.option(
    "--sort", "sorted_lines", is_flag=True, help="With --lines: print the most surprising line first."
)
@step_option
@plugin_option
@json_option
def command(
    directory: str,
    step: int | None,
    file: str,
    overrides: tuple[str, ...],
    plugins: tuple[str, ...],
    color: bool | None,
    table: bool,
    by_line: bool,
    sorted_lines: bool,
    as_json: bool,
) -> None:
    """Score the text in FILE, or standard input, with the run in DIR.

    The text is read once, from its start to its end, with the state carried; it may be larger than memory.
    FILE may be a folder, a glob, or a table of texts: source.column=title names the column.
    With --lines, each line is a separate text, read from an initial state.
    """
    if table and as_json:
        raise click.UsageError("--tokens prints a table; --json has the bits of the tokens as surprisal.")
    if overrides and file == "-":
        raise click.UsageError("source.KEY=VALUE says how a FILE is read; standard input is UTF-8.")
    if by_line and (table or color):
        raise click.UsageError("--lines prints a line for each line; leave --tokens and --color out.")
    if sorted_lines and not by_line:
        raise click.UsageError("--sort is for the scores of lines: --lines --sort.")
    run = open_run(directory, plugins, "score", step)
    if by_line:
        _print_lines(run, read_pieces(run, file, overrides), sorted_lines, as_json)
        return
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
            echo(f"{json.dumps(text, ensure_ascii=False)}\t{bits:.4f}")


def _print_lines(run: Any, pieces: Iterable[str], is_sorted: bool, as_json: bool) -> None:
    """Print a score for each line that is not empty: as it is read, or at the end if they are sorted."""
    end = "\n" if run.recipe.data.documents == "lines" else ""  # such a model predicts the line end too
    scored = (
        {
            "line": number,
            "text": line,
            "bits_per_char": score.bits_per_char,
            "tokens": score.tokens,
            "unknown": score.unknown,
        }
        for number, line in enumerate(_lines(pieces), start=1)
        if line
        for score in [run.score(line + end)]
    )
    rows = sorted(scored, key=lambda row: -row["bits_per_char"]) if is_sorted else scored
    if as_json:
        print_json(list(rows))
        return
    for row in rows:
        echo(f"{row['bits_per_char']:.4f}\t{row['line']}\t{row['text']}")


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text given in pieces, without their line ends."""
    pending = ""
    for piece in pieces:
        *lines, pending = (pending + piece).split("\n")
        yield from lines
    if pending:
        yield pending


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
