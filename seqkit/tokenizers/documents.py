"""The token that ends a document, for any tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import ContractError, UnknownCharacterError
from seqkit.fingerprint import fingerprint
from seqkit.tokenizers.base import Decoder, Ids, Tokenizer

LINE_ENDS = "line_ends"
"""The key of a saved tokenizer which says that the end token is the line end."""


def with_end(tokenizer: Tokenizer, *, lines: bool = False) -> Tokenizer:
    """The tokenizer itself where it has an end token, else one that has, made of it.

    Args:
        tokenizer: of the text within documents.
        lines: documents are lines: the line end, where it is one token, is the end token.
    """
    return tokenizer if tokenizer.end_id is not None else EndToken(tokenizer, lines=lines)


def open_with_end(open_tokenizer: Callable[[dict[str, Any]], Tokenizer], saved: dict[str, Any]) -> Tokenizer:
    """The tokenizer that `EndToken.to_json` described; `open_tokenizer` is `from_json` of the other one."""
    inner = {key: value for key, value in saved.items() if key != LINE_ENDS}
    return with_end(open_tokenizer(inner), lines=bool(saved.get(LINE_ENDS)))


class EndToken(Tokenizer):
    """Another tokenizer with an end token, which ends a document and is not text.

    It is one id more, the last. Where documents are lines and the other tokenizer has a token for the line
    end, it is that token: no document holds a line end, so the token would be drawn and never trained.

    Args:
        tokenizer: of the text within documents.
        lines: documents are lines.
    """

    def __init__(self, tokenizer: Tokenizer, *, lines: bool = False) -> None:
        self.tokenizer = tokenizer
        line_end = tokenizer.encode("\n").tolist() if lines and tokenizer.knows("\n") else []
        self.lines = len(line_end) == 1
        self.end_id: int = line_end[0] if self.lines else tokenizer.vocab_size
        self.vocab_size = tokenizer.vocab_size + (not self.lines)
        self.unknown_id = tokenizer.unknown_id
        self.frequent_id = tokenizer.frequent_id
        self.unit = tokenizer.unit
        self.is_slow = tokenizer.is_slow

    def __repr__(self) -> str:
        return f"EndToken({self.tokenizer!r}, lines={self.lines})"

    @classmethod
    def train(cls, pieces: Iterable[str], *args: Any, **config: Any) -> Self:
        """Not of itself: train a tokenizer, and give it an end token."""
        raise ContractError("EndToken is made of a trained tokenizer: with_end(tokenizer).")

    def encode(self, text: str) -> Ids:
        """The other tokenizer's ids; where documents are lines, a line end is the end token."""
        if not self.lines or "\n" not in text:
            return self.tokenizer.encode(text).astype(self.dtype, copy=False)
        end = np.array([self.end_id], self.dtype)
        ids: list[Ids] = []
        offset = 0
        for line in text.split("\n"):
            try:
                ids += [self.tokenizer.encode(line), end]
            except UnknownCharacterError as error:
                raise UnknownCharacterError(error.character, offset + error.position) from error
            offset += len(line) + 1
        return np.concatenate(ids[:-1]).astype(self.dtype, copy=False)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The text of the ids; an end token gives none, or the line end where documents are lines."""
        array = np.asarray(ids)
        return self.tokenizer.decode(array if self.lines else array[array != self.end_id])

    def safe_cut(self, text: str) -> int:
        """The other tokenizer's; where documents are lines, at the last line end or behind it."""
        if not self.lines:
            return self.tokenizer.safe_cut(text)
        start = text.rfind("\n") + 1
        return start + self.tokenizer.safe_cut(text[start:])

    def unknown_characters(self, text: str, ids: Ids) -> int:
        """The other tokenizer's count; where documents are lines, line by line."""
        if not self.lines or "\n" not in text:
            return self.tokenizer.unknown_characters(text, ids)
        lines = text.split("\n")
        return sum(self.tokenizer.unknown_characters(line, self.tokenizer.encode(line)) for line in lines)

    def decoder(self) -> Decoder:
        """The other tokenizer's: generation stops at an end token, and does not decode it."""
        return self.tokenizer.decoder()

    @property
    def fingerprint(self) -> str:
        """Of the other tokenizer, and of the end."""
        return fingerprint(["end", self.tokenizer.fingerprint, *(["lines"] if self.lines else [])])

    def to_json(self) -> dict[str, Any]:
        """The other tokenizer's, and whether the end token is the line end; see `open_with_end`."""
        return {**self.tokenizer.to_json(), **({LINE_ENDS: True} if self.lines else {})}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Not of itself: open the other tokenizer, and give it an end token."""
        raise ContractError("EndToken is made of an opened tokenizer: with_end(tokenizer).")
