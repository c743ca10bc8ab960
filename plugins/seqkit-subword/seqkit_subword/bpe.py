"""Byte-pair encoding by Hugging Face `tokenizers`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers, trainers

from seqkit.plugin import Tokenizer

BREAKS = " \n\t\r"


class BPETokenizer(Tokenizer):
    """Merges frequent pairs of adjacent tokens within words, starting from bytes: no unknown characters.

    Args:
        tokenizer: a trained tokenizer of the library `tokenizers`.

    Source: Sennrich, Haddow and Birch (2016); over bytes as in Radford et al. (2019).
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.vocab_size = tokenizer.get_vocab_size()

    @classmethod
    def train(
        cls, pieces: Iterable[str], *args: Any, vocab_size: int = 1024, min_frequency: int = 2, **config: Any
    ) -> Self:
        """Learn the merges from the text that the pieces form."""
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(pieces, trainer)
        return cls(tokenizer)

    def encode(self, text: str) -> NDArray[np.unsignedinteger[Any]]:
        """The ids of a text; a lone surrogate, which is not valid text, is read as '?'."""
        known = text.encode("utf-8", "replace").decode("utf-8")
        return np.array(self._tokenizer.encode(known).ids, dtype=self.dtype)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The text of ids; bytes that are not valid UTF-8 become U+FFFD."""
        return str(self._tokenizer.decode([int(index) for index in ids], skip_special_tokens=False))

    def safe_cut(self, text: str) -> int:
        """The position before the last white space after another character: no token reaches across it."""
        for cut in range(len(text) - 1, 0, -1):
            if text[cut] in BREAKS and not text[cut - 1].isspace():
                return cut
        return 0

    def to_json(self) -> dict[str, Any]:
        """The library's own description."""
        description: dict[str, Any] = json.loads(self._tokenizer.to_str())
        return description

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""
        return cls(tokenizers.Tokenizer.from_str(json.dumps(data)))
