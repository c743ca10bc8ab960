"""`seqkit states`: what the units of a model do while it reads a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from seqkit.cli.input import read_pieces
from seqkit.cli.opening import open_run, step_option
from seqkit.cli.output import json_option, plugin_option, print_json, print_table

RANKED = 10


@click.command("states")
@click.argument("directory", metavar="DIR")
@click.argument("file", metavar="FILE|-")
@click.option("--unit", type=int, help="Unit that colours the picture. [default: the first one of the list]")
@click.option(
    "--layer",
    type=int,
    default=-1,
    show_default=True,
    help="Layer of the units; 0 reads the text, -1 is the last.",
)
@click.option(
    "--where", metavar="REGEX", help="List the units that predict best where this expression matches."
)
@click.option("--out", metavar="FILE", help="Write a picture (.png), or the data of all units (.npz, .csv).")
@step_option
@plugin_option
@json_option
def command(
    directory: str,
    step: int | None,
    file: str,
    unit: int | None,
    layer: int,
    where: str | None,
    out: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what the units of the run in DIR do while it reads a text.

    The text is in FILE, or in standard input. The command lists the units that change most. With --out it
    writes the text as a picture, coloured by one of them.
    """
    run = open_run(directory, plugins, "states", step)
    pieces = read_pieces(run, file)
    if out is not None and out.endswith(".png"):
        pieces = _with_room(pieces)
    states = run.states(pieces, layer=layer)
    if where is None:
        measure, ranking = "standard_deviation", states.most_variable(RANKED)
    else:
        measure, ranking = "correlation", states.most_correlated(_matches(where, states.text), RANKED)
    if out is not None:
        unit = ranking[0][0] if unit is None else unit
        _write(states, unit, out)
    tokens, units = states.values.shape
    if as_json:
        ranked = [{"unit": unit, measure: value} for unit, value in ranking]
        described = {"tokens": tokens, "units": units, "layer": states.layer, "ranking": ranked}
        print_json({**described, "out": out, "unit": unit})
        return
    click.echo(f"{tokens:,} tokens, {units:,} units of layer {states.layer}\n")
    print_table(("unit", measure.replace("_", " ")), [(str(unit), f"{value:.4f}") for unit, value in ranking])
    if out is not None:
        what = f"The text, coloured by unit {unit}," if out.endswith(".png") else "The data of all units"
        click.echo(f"\n{what} is in {out}.")


def _with_room(pieces: Iterable[str]) -> Iterator[str]:
    """The same text; raises if it is too long for a picture, before the model reads it."""
    from seqkit.inference.picture import require_room

    characters = 0
    for piece in pieces:
        characters += len(piece)
        require_room(characters)
        yield piece


def _matches(pattern: str, text: str) -> list[bool]:
    """For each character, whether it is in a match; `^` and `$` are the ends of a line."""
    import regex

    try:
        found = regex.compile(pattern, regex.MULTILINE).finditer(text)
    except regex.error as error:
        raise click.UsageError(f"--where {pattern!r} is not a regular expression: {error}.") from error
    inside = [False] * len(text)
    for match in found:
        inside[match.start() : match.end()] = [True] * len(match[0])
    if text and not any(inside):
        raise click.UsageError(f"--where {pattern!r} matches nothing in the text.")
    return inside


def _write(states: Any, unit: int, out: str) -> None:
    try:
        if out.endswith(".png"):
            states.plot(unit, out)
        else:
            states.save(out)
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written: {error.strerror or error}.") from error
