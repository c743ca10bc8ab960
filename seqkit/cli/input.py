"""The text that a command reads: files, tables of texts, or standard input."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from seqkit.sources import TextSource

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 18
PATHS_SHOWN = 3

overrides_argument = click.argument("overrides", nargs=-1, metavar="[source.KEY=VALUE]...")


def open_text(run: Any, file: str, overrides: Sequence[str] = ()) -> TextSource:
    """The text in a file, folder or glob, read as the run reads its own; prints which source reads it."""
    source: TextSource = run.open_text(file, overrides)
    show_source([file], source)
    return source


def show_source(paths: Sequence[str], source: TextSource) -> None:
    """Print on standard error which source reads these paths."""
    from seqkit.sources.choosing import describe_source

    more = f" and {len(paths) - PATHS_SHOWN} more" if len(paths) > PATHS_SHOWN else ""
    click.echo(f"{', '.join(paths[:PATHS_SHOWN])}{more}: {describe_source(source)}", err=True)


def log_notes(text: TextSource | Iterable[str]) -> None:
    """Log the notes on a text that was read to its end, for the user."""
    for note in getattr(text, "notes", ()):  # pieces of standard input have no notes
        logger.warning("%s", note)


def read_pieces(run: Any, file: str, overrides: Sequence[str] = ()) -> Iterator[str]:
    """The text of a file piece by piece, read as the run reads its own; `-` is standard input."""
    if file == "-":
        yield from _standard_input()
        return
    source = open_text(run, file, overrides)
    for piece in source.pieces():
        yield piece.text
    log_notes(source)


def _standard_input() -> Iterator[str]:
    from seqkit.sources.decoding import TextDecoder

    decoder = TextDecoder("standard input")
    while chunk := sys.stdin.buffer.read(CHUNK_BYTES):
        yield decoder.decode(chunk)
    if decoder.unfinished:  # `head -c` can cut a character
        logger.warning(
            "standard input ends within a character: its last %d bytes are left out", decoder.unfinished
        )
        return
    yield decoder.decode(b"", final=True)
