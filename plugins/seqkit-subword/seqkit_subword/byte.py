"""One token per byte of UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seqkit.plugin import Tokenizer


class ByteTokenizer(Tokenizer):
    """The bytes of a text in UTF-8; a lone surrogate, which is not valid text, is read as '?'."""

    vocab_size = 256
    frequent_id = ord(" ")

    @classmethod
    def train(cls, pieces: Iterable[str], *args: Any, **config: Any) -> Self:
        """Return the tokenizer; there is nothing to learn."""
        return cls()

    def encode(self, text: str) -> NDArray[np.uint8]:
        """The bytes of the text."""
        return np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The text of bytes; invalid ones become U+FFFD."""
        return np.asarray(ids, dtype=np.uint8).tobytes().decode("utf-8", "replace")

    def safe_cut(self, text: str) -> int:
        """The end of the text: each byte is a token of its own, so any position is safe."""
        return len(text)

    def to_json(self) -> dict[str, Any]:
        """An empty description; all byte tokenizers are the same."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The byte tokenizer; all are the same."""
        return cls()
