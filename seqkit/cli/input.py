"""Text that is given to a command: a file, a glob, or standard input."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 18


def read_pieces(recipe: Any, file: str) -> Iterator[str]:
    """The text of a file piece by piece, read as the recipe reads its own; of standard input for `-`."""
    from seqkit import build
    from seqkit.sources.decoding import TextDecoder

    if file != "-":
        for piece in build.text_files(recipe, file).pieces():
            yield piece.text
        return
    decoder = TextDecoder("standard input")
    while chunk := sys.stdin.buffer.read(CHUNK_BYTES):
        yield decoder.decode(chunk)
    if decoder.unfinished:  # as `head -c` leaves it
        logger.warning(
            "standard input ends within a character: its last %d bytes are left out", decoder.unfinished
        )
        return
    yield decoder.decode(b"", final=True)
