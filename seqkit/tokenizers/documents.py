"""The token that ends a document, for any tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import ContractError
from seqkit.fingerprint import fingerprint
from seqkit.tokenizers.base import Decoder, Ids, Tokenizer


def with_end(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer itself where it has an end token, else one that has, made of it."""
    return tokenizer if tokenizer.end_id is not None else EndToken(tokenizer)


class EndToken(Tokenizer):
    """Another tokenizer, and one id more, the last, which ends a document and stands for no text.

    Args:
        tokenizer: of the text within documents.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.end_id: int = tokenizer.vocab_size
        self.vocab_size = tokenizer.vocab_size + 1
        self.unknown_id = tokenizer.unknown_id
        self.frequent_id = tokenizer.frequent_id
        self.is_slow = tokenizer.is_slow

    def __repr__(self) -> str:
        return f"EndToken({self.tokenizer!r})"

    @classmethod
    def train(cls, pieces: Iterable[str], *args: Any, **config: Any) -> Self:
        """Not of itself: train a tokenizer, and give it an end token."""
        raise ContractError("EndToken is made of a trained tokenizer: with_end(tokenizer).")

    def encode(self, text: str) -> Ids:
        """The other tokenizer's ids; no text has the end token."""
        return self.tokenizer.encode(text).astype(self.dtype, copy=False)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The text of the ids; an end token gives none."""
        array = np.asarray(ids)
        return self.tokenizer.decode(array[array != self.end_id])

    def safe_cut(self, text: str) -> int:
        """The other tokenizer's."""
        return self.tokenizer.safe_cut(text)

    def unknown_characters(self, text: str, ids: Ids) -> int:
        """The other tokenizer's count."""
        return self.tokenizer.unknown_characters(text, ids)

    def decoder(self) -> Decoder:
        """The other tokenizer's: generation stops at an end token, and does not decode it."""
        return self.tokenizer.decoder()

    @property
    def fingerprint(self) -> str:
        """Of the other tokenizer, and of the end."""
        return fingerprint(["end", self.tokenizer.fingerprint])

    def to_json(self) -> dict[str, Any]:
        """The other tokenizer's: that there is an end token is for the recipe to say."""
        return self.tokenizer.to_json()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Not of itself: open the other tokenizer, and give it an end token."""
        raise ContractError("EndToken is made of an opened tokenizer: with_end(tokenizer).")
