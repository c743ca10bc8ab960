"""An end token for documents, for any tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import ContractError, UnknownCharacterError
from seqkit.fingerprint import fingerprint
from seqkit.tokenizers.base import Decoder, Ids, Tokenizer

LINE_ENDS = "line_ends"
"""Key of a saved tokenizer whose end token is the line end."""


def with_end(tokenizer: Tokenizer, *, lines: bool = False) -> Tokenizer:
    """The tokenizer itself if it has an end token, otherwise one with an end token added.

    Args:
        tokenizer: tokenizer for the text within documents.
        lines: documents are lines: the line end is the end token, if it is a single token.
    """
    return tokenizer if tokenizer.end_id is not None else EndToken(tokenizer, lines=lines)


def open_with_end(open_tokenizer: Callable[[dict[str, Any]], Tokenizer], saved: dict[str, Any]) -> Tokenizer:
    """Open the tokenizer that `EndToken.to_json` described, with `from_json` of the inner tokenizer."""
    inner = {key: value for key, value in saved.items() if key != LINE_ENDS}
    return with_end(open_tokenizer(inner), lines=bool(saved.get(LINE_ENDS)))


class EndToken(Tokenizer):
    """Another tokenizer with an end token, which ends a document and is not text.

    The end token is one additional id, the last. If documents are lines and the inner tokenizer has a token
    for the line end, that token is used. No document contains a line end, so as a separate token it could be
    drawn without ever being trained.

    Args:
        tokenizer: inner tokenizer, for the text within documents.
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
        """Not supported: train the inner tokenizer, and add an end token to it."""
        raise ContractError("EndToken cannot be trained. Add it to a trained tokenizer: with_end(tokenizer).")

    def extended(self, other: Tokenizer) -> Self:
        """The inner tokenizer extended, with the same end token; a separate one stays the last id."""
        inner = other.tokenizer if isinstance(other, EndToken) else other
        return type(self)(self.tokenizer.extended(inner), lines=self.lines)

    def encode(self, text: str) -> Ids:
        """The ids of the inner tokenizer; if documents are lines, a line end is the end token."""
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
        """The text of the ids; an end token gives no text, or the line end if documents are lines."""
        array = np.asarray(ids)
        return self.tokenizer.decode(array if self.lines else array[array != self.end_id])

    def safe_cut(self, text: str) -> int:
        """The cut of the inner tokenizer; if documents are lines, at or after the last line end."""
        if not self.lines:
            return self.tokenizer.safe_cut(text)
        start = text.rfind("\n") + 1
        return start + self.tokenizer.safe_cut(text[start:])

    def unknown_characters(self, text: str, ids: Ids) -> int:
        """The count of the inner tokenizer; if documents are lines, line by line."""
        if not self.lines or "\n" not in text:
            return self.tokenizer.unknown_characters(text, ids)
        lines = text.split("\n")
        return sum(self.tokenizer.unknown_characters(line, self.tokenizer.encode(line)) for line in lines)

    def decoder(self) -> Decoder:
        """The decoder of the inner tokenizer: generation stops at an end token, and does not decode it."""
        return self.tokenizer.decoder()

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the inner tokenizer and of the kind of end token."""
        return fingerprint(["end", self.tokenizer.fingerprint, *(["lines"] if self.lines else [])])

    def to_json(self) -> dict[str, Any]:
        """The inner tokenizer, and whether the end token is the line end; see `open_with_end`."""
        return {**self.tokenizer.to_json(), **({LINE_ENDS: True} if self.lines else {})}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Not supported: open the inner tokenizer, and add an end token to it."""
        raise ContractError("EndToken cannot be opened. Add it to an opened tokenizer: with_end(tokenizer).")
