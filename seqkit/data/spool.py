"""A text that is read from its source once, and from a temporary file after that.

Cutting, training a tokenizer and encoding each read the text from the start. From its source that may be
slow: over a network, packed, or in rows of a table. So the first reading copies it, as pieces in UTF-8,
into a folder of the cache, which goes when the corpus is there.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqkit.data.cache import cache_dir, writing_to
from seqkit.data.split import Splits
from seqkit.sources.base import Piece, TextSource

ABANDONED_S = 86_400
"""A folder that is as old was left by a process that was killed."""

_HEADER = struct.Struct("<I?")  # bytes of the piece, and whether a document ends with it


@contextmanager
def spooled(splits: Splits) -> Iterator[None]:
    """Inside, the splits read each of their source's own splits once."""
    folder = cache_dir() / "texts"
    with writing_to(folder):
        _remove_abandoned(folder)
        place = Path(tempfile.mkdtemp(dir=folder))
    splits.pieces = _Spool(splits.source, place).pieces
    try:
        yield
    finally:
        splits.pieces = splits.source.pieces
        shutil.rmtree(place, ignore_errors=True)


class _Spool:
    """The pieces of a source, by split."""

    def __init__(self, source: TextSource, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._written: set[str] = set()

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """Those of the source."""
        path = self._folder / split
        if split not in self._written:
            self._copy(split, path)
            self._written.add(split)
        with path.open("rb") as file:
            while header := file.read(_HEADER.size):
                size, ends_document = _HEADER.unpack(header)
                yield Piece(file.read(size).decode("utf-8", "surrogatepass"), ends_document)

    def _copy(self, split: str, path: Path) -> None:
        pieces = self._source.pieces(split)
        with writing_to(self._folder):
            file = path.open("wb")
        with file:
            for text, ends_document in pieces:
                data = text.encode("utf-8", "surrogatepass")
                with writing_to(self._folder):
                    file.write(_HEADER.pack(len(data), ends_document) + data)
            with writing_to(self._folder):
                file.flush()


def _remove_abandoned(folder: Path) -> None:
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(old, ignore_errors=True)
