"""The contract of a source: where sequences come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PIECE_BYTES = 1 << 20
"""Maximum length of a piece of text in UTF-8, which bounds the memory that any source needs."""


class Piece(NamedTuple):
    """Part of a text, and whether a document ends with it."""

    text: str
    ends_document: bool


class Series(NamedTuple):
    """Numbers with dates: a row is a moment for which the source has data, such as a trading day."""

    name: str
    dates: NDArray[np.datetime64]
    """`(time,)`, ascending, without duplicates; no missing dates are filled in."""
    values: NDArray[np.float64]
    """`(time, features)`; the first feature is the series itself, finite in every row. Others can be NaN."""
    columns: tuple[str, ...]
    """Names of the features, all different."""


class Source(ABC):
    """Data that can be read from the start any number of times."""

    splits: tuple[str, ...] = ("all",)
    """Splits that the source defines; `("all",)` if it defines none."""

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
        """What the user should know about the text, such as rows left out; complete after reading it."""
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
        """Series of a split, all with different names."""


def cut_document(text: str) -> Iterator[Piece]:
    """Cut a document in memory into pieces."""
    size = MAX_PIECE_BYTES // 4  # a code point takes at most four bytes
    for start in range(0, len(text), size):
        yield Piece(text[start : start + size], start + size >= len(text))
