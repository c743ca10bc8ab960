"""Read a text from its source once, and from a temporary file after that.

Cutting, training a tokenizer and encoding each read the text from the start. This may be slow from the
source: over a network, compressed, or in rows of a table. The first reading therefore copies it, as pieces
in UTF-8, into a folder of the cache. The folder is removed when the corpus is complete.
"""

from __future__ import annotations

import logging
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqkit.caching import cache_dir
from seqkit.data.split import Splits
from seqkit.sources.base import Piece, TextSource

logger = logging.getLogger(__name__)

ABANDONED_S = 86_400
"""Age from which a folder is taken as left behind by a killed process."""

_HEADER = struct.Struct("<I?")  # bytes of the piece, and whether a document ends with it


@contextmanager
def spooled(splits: Splits) -> Iterator[None]:
    """In this context, each split of the source is read only once, if the cache has space for a copy."""
    spool = _Spool(splits.source)
    splits.pieces = spool.pieces
    try:
        yield
    finally:
        splits.pieces = splits.source.pieces
        spool.remove()


class _Spool:
    """The pieces of a source, by split; the folder is made when the first split is copied."""

    def __init__(self, source: TextSource) -> None:
        self._source = source
        self._folder: Path | None = None
        self._written: dict[str, Path | None] = {}

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The pieces of the source, from the copy if there is one."""
        if split not in self._written:
            try:
                self._written[split] = self._copy(split)
            except _NoRoomError as error:
                logger.info(
                    "the text is read several times, because the cache has no space for it: %s", error
                )
                self._written[split] = None
        path = self._written[split]
        if path is None:
            yield from self._source.pieces(split)
            return
        with path.open("rb") as file:
            while header := file.read(_HEADER.size):
                size, ends_document = _HEADER.unpack(header)
                yield Piece(file.read(size).decode("utf-8", "surrogatepass"), ends_document)

    def remove(self) -> None:
        """Remove the copies."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _copy(self, split: str) -> Path:
        with _writing():
            path = self._place() / split
            file = path.open("wb")
        try:
            for piece in self._source.pieces(split):  # its own errors are not about the copy
                data = piece.text.encode("utf-8", "surrogatepass")
                with _writing():
                    file.write(_HEADER.pack(len(data), piece.ends_document) + data)
            with _writing():
                file.flush()
        finally:
            with suppress(OSError):  # there may be no space for the rest of its buffer either
                file.close()
        return path

    def _place(self) -> Path:
        if self._folder is None:
            texts = cache_dir() / "texts"
            texts.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(texts)
            self._folder = Path(tempfile.mkdtemp(dir=texts))
        return self._folder


class _NoRoomError(Exception):
    """The copy cannot be written."""


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _NoRoomError(error) from error


def _remove_abandoned(folder: Path) -> None:
    for old in folder.iterdir():
        with suppress(OSError):  # another process may have removed it in between
            if time.time() - old.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(old, ignore_errors=True)
