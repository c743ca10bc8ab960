"""The contract of a source: where sequences come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PIECE_BYTES = 1 << 20
"""A piece of text is at most this long in UTF-8, so that memory stays bounded whatever the source."""


class Piece(NamedTuple):
    """A stretch of text, and whether a document ends with it."""

    text: str
    ends_document: bool


class Series(NamedTuple):
    """Numbers with dates: a row is a moment at which the source has something, such as a trading day."""

    name: str
    dates: NDArray[np.datetime64]
    """`(time,)`, ascending, none twice; nothing is filled in between."""
    values: NDArray[np.float64]
    """`(time, features)`; the first feature is the series itself, finite in every row. Others can be NaN."""
    columns: tuple[str, ...]
    """The names of the features, none twice."""


class Source(ABC):
    """Data that can be read again from the start, as often as one likes."""

    splits: tuple[str, ...] = ("all",)
    """The splits that the source brings; `("all",)` where it has none of its own."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the data changes."""


class TextSource(Source):
    """A source of documents."""

    @abstractmethod
    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The text in order, in pieces of at most 1 MiB each, cut between code points."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the text, such as rows left out; complete once it was read."""
        return ()

    def documents(self, split: str = "all") -> Iterator[str]:
        """The pieces of each document, joined."""
        parts: list[str] = []
        for piece in self.pieces(split):
            parts.append(piece.text)
            if piece.ends_document:
                yield "".join(parts)
                parts.clear()
        if parts:
            yield "".join(parts)


class SeriesSource(Source):
    """A source of series."""

    @abstractmethod
    def series(self, split: str = "all") -> Iterator[Series]:
        """The series of a split, each with a name of its own."""


def cut_document(text: str) -> Iterator[Piece]:
    """One document that is in memory, as pieces."""
    size = MAX_PIECE_BYTES // 4  # a code point takes at most four bytes
    for start in range(0, len(text), size):
        yield Piece(text[start : start + size], start + size >= len(text))
