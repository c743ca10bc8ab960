"""Separate documents, each assigned to a split by a hash of its text.

    document ──► blake2b(seed, text) as a number from 0 to 1      0            0.9    0.95   1
                                                                  |── train ───|─ val ─|─ test ─|

Equal documents therefore get the same split, and a document keeps its split when others are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate

from seqkit.data.split import DEFAULT_FRACTIONS, Splits, require_train
from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, TextSource
from seqkit.sources.text import SPLITS, TextFiles

LONG_LINE = 1 << 16
"""Length in characters from which a line is passed on before its end was read."""


class DocumentSplits(Splits):
    """The documents of a source, kept separate.

    The line end that closes a document is not part of it: the end token replaces it. Documents
    without text are left out, and blank lines and rows among them are counted in `notes`.

    Args:
        source: the source of the documents.
        fractions: shares of train, validation and test, in documents; they sum to 1. None assigns nothing:
            the splits are those of the source.
        lines: every line is a document; otherwise the source defines the documents.
        separator: a line equal to this also ends a document, and is not part of any; `""` is a
            blank line.
        seed: seed of the hash.
    """

    apart = True

    def __init__(
        self,
        source: TextSource,
        fractions: Sequence[float] | None = DEFAULT_FRACTIONS,
        *,
        lines: bool = False,
        separator: str | None = None,
        seed: int = 0,
    ) -> None:
        self.source = source
        self.pieces = source.pieces
        self.fractions = fractions
        self.lines = lines
        self.separator = separator
        self.seed = seed
        self._blank: dict[str, int] = {}
        self._found: dict[str, tuple[bytearray, int]] = {}

    @cached_property
    def _homes(self) -> dict[str, tuple[str, dict[str, float] | None]]:
        """For each split, the source's split it is taken from, and the fractions if that one is divided."""
        own = self.source.splits
        if self.fractions is None:
            return {split: (split, None) for split in own}
        shares = {split: share for split, share in zip(SPLITS, self.fractions, strict=True) if share > 0}
        if own == ("all",):
            return dict.fromkeys(shares, ("all", shares))
        require_train(own)
        homes: dict[str, tuple[str, dict[str, float] | None]] = {
            split: (split, None) for split in SPLITS if split in own
        }
        if "validation" not in own and (share := shares.get("validation")):
            drawn = {"train": 1 - share, "validation": share}
            homes = dict.fromkeys(drawn, ("train", drawn)) | {
                split: home for split, home in homes.items() if split != "train"
            }
        return homes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the existing splits."""
        return tuple(self._homes)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the data or the way it is split changes."""
        how = [self.fractions and list(self.fractions), self.lines, self.separator, self.seed]
        return fingerprint(["documents", self.source.fingerprint, how])

    def texts(self, split: str) -> Iterator[str]:
        """The documents in pieces; a line end after each separates the words of two documents.

        Raises:
            SourceError: the training split has no document.
        """
        count = 0
        for count, document in enumerate(self.documents(split), start=1):  # noqa: B007
            yield from document
            yield "\n"
        if not count and split == "train":
            raise SourceError(self.say_without([split]))

    def documents(self, split: str) -> Iterator[Iterator[str]]:
        """Each document in pieces."""
        self.check(split)
        for home, document in self._walk(self._homes[split][0]):
            if home == split:
                yield document
            else:
                for _ in document:
                    pass

    def walk(self) -> Iterator[tuple[str, Iterator[str]]]:
        """Every document with its split, in the order of the source."""
        for source_split in dict.fromkeys(source_split for source_split, _ in self._homes.values()):
            yield from self._walk(source_split)

    def _walk(self, source_split: str) -> Iterator[tuple[str, Iterator[str]]]:
        """The documents of one of the source's own splits."""
        shares = next(shares for home, shares in self._homes.values() if home == source_split)
        documents = one_by_one(self._pieces(source_split))
        if shares is None:
            yield from ((source_split, document) for document in documents)
            return
        order = tuple(shares)
        assigned, _ = self._assigned(source_split)
        for document, number in zip(documents, assigned, strict=True):
            yield order[number], document

    @property
    def characters(self) -> int | None:
        """Number of characters in all splits, including ends of documents; None if unknown."""
        if self.source.splits != ("all",) or self.fractions is None:
            return None
        return self._assigned("all")[1]

    def _assigned(self, source_split: str) -> tuple[bytearray, int]:
        """The split number of each document, one byte each, and the number of characters; computed once."""
        if source_split not in self._found:
            shares = next(shares for home, shares in self._homes.values() if home == source_split)
            self._found[source_split] = self._assign(source_split, shares or {})
        return self._found[source_split]

    def _assign(self, source_split: str, shares: dict[str, float]) -> tuple[bytearray, int]:
        *edges, _ = accumulate(shares.values())
        assigned = bytearray()
        characters = 0
        for document in one_by_one(self._pieces(source_split)):
            digest = hashlib.blake2b(str(self.seed).encode("ascii") + b":", digest_size=8)
            for text in document:
                digest.update(text.encode("utf-8", "surrogatepass"))
                characters += len(text)
            characters += 1  # the end of the document
            place = int.from_bytes(digest.digest()) / 2**64
            assigned.append(sum(place >= edge for edge in edges))
        return assigned, characters

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the source, and the number of blank documents; complete after everything was read."""
        blank = sum(self._blank.values())
        what = "blank lines" if self.lines else "documents without text"
        return (*self.source.notes, *([f"{what}: {blank:,}, left out"] if blank else []))

    def say_without(self, without: Sequence[str]) -> str:
        """The message for splits without a document, with a remedy."""
        count = ""
        if self.fractions is not None and self.source.splits == ("all",):
            assigned, _ = self._assigned("all")
            count = f" (documents: {len(assigned):,})"
        if isinstance(self.source, TextFiles) and not self.lines and self.separator is None:
            remedy = (
                "Each file is one document. To divide it, set data.separator=% (at lines that are %),\n"
                "  data.separator= (at blank lines) or data.documents=lines."
            )
        else:
            remedy = "Give more documents, larger shares (data.split=[0.8,0.1,0.1]) or another data.seed."
        return f"there is no document for {' and '.join(without)}{count}.\n  {remedy}"

    def _pieces(self, source_split: str) -> Iterator[Piece]:
        pieces: Iterable[Piece] = self.pieces(source_split)
        if self.lines:
            pieces = lines_of(pieces)
        elif self.separator is not None:
            pieces = cut_at(pieces, self.separator)
        blank = 0
        for text, piece in without_line_ends(pieces):
            if text is None:
                blank += piece.text == "\n"
            else:
                yield Piece(text, piece.ends_document)
        self._blank[source_split] = blank


def lines_of(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same text, with each line as a document."""
    for piece in pieces:
        *lines, rest = piece.text.split("\n")
        for line in lines:
            yield Piece(line + "\n", True)
        if rest or piece.ends_document:
            yield Piece(rest, piece.ends_document)


def cut_at(pieces: Iterable[Piece], separator: str) -> Iterator[Piece]:
    """The same text, with each document divided at separator lines, which are left out.

    Args:
        pieces: pieces of documents.
        separator: a whole line, without its line end; `""` is an empty line or a line of white space.
    """
    lines: list[str] = []  # of the document; held back until the next line is known, which may close it
    begun = ""  # the line that is being read
    is_long = False  # whether its beginning was already passed on
    for piece in pieces:
        *ended, begun = (begun + piece.text).split("\n")
        for line in ended:
            if not is_long and _separates(line, separator):
                yield Piece("".join(lines), True)
                lines = []
            else:
                lines.append(line + "\n")
            is_long = False
        if piece.ends_document:
            rest = "" if not is_long and _separates(begun, separator) else begun
            yield Piece("".join([*lines, rest]), True)
            lines, begun, is_long = [], "", False
            continue
        if len(begun) >= LONG_LINE:
            lines.append(begun)
            begun, is_long = "", True
            yield Piece("".join(lines), False)
            lines = []
        elif len(lines) > 1:
            yield Piece("".join(lines[:-1]), False)
            lines = lines[-1:]


def _separates(line: str, separator: str) -> bool:
    return line == separator or (not separator and line.isspace())


def without_line_ends(pieces: Iterable[Piece]) -> Iterator[tuple[str | None, Piece]]:
    """Each piece, and its text without the line end that closes its document.

    The text is None if the document has nothing else: such a document is left out.
    """
    begun = False
    for piece in pieces:
        text = piece.text.removesuffix("\n") if piece.ends_document else piece.text
        yield text if text or begun else None, piece
        begun = not piece.ends_document and bool(text or begun)


def one_by_one(pieces: Iterable[Piece]) -> Iterator[Iterator[str]]:
    """The texts of each document; a document must be read before the next one is requested."""
    waiting = iter(pieces)
    for piece in waiting:
        yield _rest_of_document(piece, waiting)


def _rest_of_document(piece: Piece, waiting: Iterator[Piece]) -> Iterator[str]:
    yield piece.text
    while not piece.ends_document:
        piece = next(waiting)
        yield piece.text
