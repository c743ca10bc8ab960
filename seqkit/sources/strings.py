"""Texts in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, TextSource, cut_document
from seqkit.sources.text import check_splits


class Strings(TextSource):
    """A list of texts, each a document. A text without a line end gets one, to keep documents separate.

    Empty texts are left out and counted in `notes`.

    Args:
        texts: a list, or `{"train": [...], "validation": [...], "test": [...]}`.

    Raises:
        SourceError: there is no text.

    Example:
        >>> list(Strings(["one", "two"]).documents())
        ['one\\n', 'two\\n']
    """

    def __init__(self, texts: Sequence[str] | Mapping[str, Sequence[str]]) -> None:
        if isinstance(texts, str):
            raise SourceError("texts is a single string, and must be a list of strings: texts=[...].")
        self._texts = check_splits(texts, "strings") if isinstance(texts, Mapping) else {"all": texts}
        self.splits = tuple(self._texts)
        for split, given in self._texts.items():
            if not any(given):
                raise SourceError(f"the source strings has no text for the split {split!r}.")

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The texts of a split, in order."""
        for text in self._of_split(split):
            if text:
                yield from cut_document(text if text.endswith("\n") else text + "\n")

    @property
    def notes(self) -> tuple[str, ...]:
        """Number of empty texts."""
        empty = sum(text == "" for texts in self._texts.values() for text in texts)
        count = sum(map(len, self._texts.values()))
        return (f"empty texts: {empty:,} of {count:,}, left out",) if empty else ()

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the texts."""
        return fingerprint(["strings", {split: list(texts) for split, texts in self._texts.items()}])

    def _of_split(self, split: str) -> Sequence[str]:
        if split not in self._texts:
            raise SourceError(f"there is no split {split!r}; the source has {', '.join(self.splits)}.")
        return self._texts[split]
