"""`seqkit score`: how surprising a text is."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_values


@click.command("score")
@click.argument("directory", metavar="DIR")
@click.argument("file", metavar="FILE|-")
@plugin_option
@json_option
def command(directory: str, file: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Score the text in FILE, or standard input, with the run in DIR.

    The text is read once, from its start to its end, with the state carried.
    """
    import seqkit
    from seqkit import build
    from seqkit.sources.decoding import TextDecoder

    run = seqkit.load(directory, plugins=plugins)
    if file == "-":
        text = TextDecoder("standard input").decode(sys.stdin.buffer.read(), final=True)
    else:
        text = "".join(piece.text for piece in build.text_files(run.recipe, file).pieces())
    score = asdict(run.score(text))
    surprisal = score.pop("surprisal").tolist()
    if as_json:
        print_json({**score, "surprisal": surprisal})
    else:
        print_values(score)
