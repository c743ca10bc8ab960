"""Splits are made on text, before any tokenizer exists.

Joined text is cut by characters, in order:

    0                                     90 %        95 %      100 %
    |-------------- train ----------------|-validation-|-- test --|
                                           ^ each cut moves to the next line end
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, TextSource
from seqkit.sources.text import SPLITS

DEFAULT_FRACTIONS = (0.9, 0.05, 0.05)


class Part(NamedTuple):
    """Characters `start` to `stop` (to the end, if None) of one of the source's own splits."""

    source_split: str
    start: int
    stop: int | None


class Splits(ABC):
    """The training, validation and test text of a source, each as a stream.

    Splits that the source defines are used as they are. A missing validation split is taken from
    train; a missing test split stays missing.
    """

    source: TextSource
    pieces: Callable[[str], Iterator[Piece]]
    """Reads one of the source's own splits; default: from the source."""
    apart = False
    """Whether documents are kept separate: if so, an end token follows each."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the existing splits."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the data or the way it is split changes."""

    @abstractmethod
    def texts(self, split: str) -> Iterator[str]:
        """The text of one split in pieces, as a tokenizer is trained on it."""

    @abstractmethod
    def documents(self, split: str) -> Iterator[Iterator[str]]:
        """The same text, document by document in pieces; a document must be read before the next one."""

    @abstractmethod
    def walk(self) -> Iterator[tuple[str, Iterator[str]]]:
        """Every split and document in one pass over the source; a document must be read before the next."""

    @property
    def characters(self) -> int | None:
        """Number of characters in all splits, if known."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the text; complete after all of it was read."""
        return self.source.notes

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the missing splits."""
        return tuple(split for split in SPLITS if split not in self.names)

    def check(self, split: str) -> None:
        """Raise SourceError if there is no such split."""
        if split not in self.names:
            raise SourceError(f"there is no {split} split; available: {', '.join(self.names)}.")


class TextSplits(Splits):
    """One text of all documents, cut in order; a missing validation split is the end of train.

    Args:
        source: the source of the text.
        fractions: shares of train, validation and test, in characters; they sum to 1. None cuts nothing:
            the splits are those of the source.
    """

    def __init__(self, source: TextSource, fractions: Sequence[float] | None = DEFAULT_FRACTIONS) -> None:
        self.source = source
        self.pieces = source.pieces
        self.fractions = fractions
        self._total: int | None = None

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Position of each existing split. Reads the text once or twice."""
        own = self.source.splits
        if self.fractions is None:
            return {split: Part(split, 0, None) for split in own}
        train, validation, test = self.fractions
        if own == ("all",):
            return self._cut("all", {"train": train, "validation": validation, "test": test})
        require_train(own)
        parts = {split: Part(split, 0, None) for split in SPLITS if split in own}
        if "validation" not in own and validation > 0:
            cut = self._cut("train", {"train": 1 - validation, "validation": validation})
            parts = {**cut, **{split: part for split, part in parts.items() if split not in cut}}
        return parts

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the existing splits."""
        return tuple(self.parts)

    @property
    def characters(self) -> int | None:
        """Number of characters in all splits, if known."""
        return self._total if self.parts else None

    def documents(self, split: str) -> Iterator[Iterator[str]]:
        """The whole split as one document."""
        yield self.texts(split)

    def walk(self) -> Iterator[tuple[str, Iterator[str]]]:
        """Every split, in the order of the text."""
        for source_split, parts in groupby(self.parts.items(), lambda item: item[1].source_split):
            reader = _Reader(self.pieces(source_split))
            for split, part in parts:
                yield split, reader.until(part.stop)

    def texts(self, split: str) -> Iterator[str]:
        """The text of one split in pieces."""
        self.check(split)
        part = self.parts[split]
        offset = 0
        for piece in self.pieces(part.source_split):
            start = max(part.start - offset, 0)
            stop = len(piece.text) if part.stop is None else min(part.stop - offset, len(piece.text))
            if start < stop:
                yield piece.text[start:stop]
            offset += len(piece.text)
            if part.stop is not None and offset >= part.stop:
                return

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the data or the way it is split changes."""
        return fingerprint(["splits", self.source.fingerprint, self.fractions and list(self.fractions)])

    def _cut(self, source_split: str, fractions: dict[str, float]) -> dict[str, Part]:
        fractions = {split: fraction for split, fraction in fractions.items() if fraction > 0}
        total, cuts = cut_points(
            lambda: (piece.text for piece in self.pieces(source_split)), list(fractions.values())
        )
        self._total = total if self.source.splits == ("all",) else None
        edges = [0, *cuts, None]
        return {
            split: Part(source_split, start or 0, stop)
            for split, start, stop in zip(fractions, edges, edges[1:], strict=False)
        }


class _Reader:
    """Reads pieces in order, up to increasing positions."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._rest = ""
        self._offset = 0

    def until(self, stop: int | None) -> Iterator[str]:
        """The text from the previous position to this one, or to the end."""
        while stop is None or self._offset < stop:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._rest = piece.text
                continue
            text = self._rest if stop is None else self._rest[: stop - self._offset]
            self._rest = self._rest[len(text) :]
            self._offset += len(text)
            yield text


def require_train(own: Sequence[str]) -> None:
    """Raise SourceError if a source defines splits, but no training split."""
    if "train" not in own:
        raise SourceError(f"the source has no train split; it has {', '.join(own)}.")


def cut_points(read: Callable[[], Iterator[str]], fractions: Sequence[float]) -> tuple[int, list[int]]:
    """The length of a text, and the positions that cut it into these fractions, in characters.

    Each cut moves to the next line end, unless that would take half of the part after it: a text
    without line ends is cut exactly at the fractions.

    Args:
        read: starts reading the text from the beginning.
        fractions: one per part; they sum to 1.
    """
    total = sum(len(text) for text in read())
    targets = [round(total * share) for share in accumulate(fractions)]
    targets[-1] = total
    latest = [here + (after - here) // 2 for here, after in pairwise(targets)]
    cuts: list[int] = []
    offset = 0
    for text in read():
        while len(cuts) < len(latest):
            target = targets[len(cuts)]
            # If the character just before the target is a line end, the cut is at the target.
            found = text.find("\n", max(target - 1 - offset, 0))
            if found >= 0 and offset + found + 1 <= latest[len(cuts)]:
                cuts.append(offset + found + 1)
            elif found >= 0 or offset + len(text) >= latest[len(cuts)]:
                cuts.append(target)
            else:
                break
        offset += len(text)
        if len(cuts) == len(latest):
            break
    return total, cuts + targets[len(cuts) : -1]
