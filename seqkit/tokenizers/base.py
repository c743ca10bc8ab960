"""The contract of a tokenizer: text to ids and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import ContractError, UnknownCharacterError
from seqkit.fingerprint import fingerprint

Ids: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Token ids, 1-D, in the smallest unsigned dtype that fits the vocabulary."""

REPLACEMENT = "\ufffd"
"""The text of an unknown token."""


class Tokenizer(ABC):
    """Text to ids and back, trained on the training split only.

    A subclass sets `vocab_size`, and `unknown_id`, `end_id` and `frequent_id` if it has them.
    """

    vocab_size: int
    unknown_id: int | None = None
    """The id of text that is not in the vocabulary."""
    end_id: int | None = None
    """The id that ends a document, if documents are kept separate."""
    frequent_id: int = 0
    """The most frequent token of the training text."""
    unit: str = "token"
    """Name of a token in a displayed perplexity per token."""
    is_slow: bool = False
    """Whether encoding is so slow that a large text is divided among several processes."""

    @classmethod
    @abstractmethod
    def train(cls, pieces: Iterable[str], *args: Any, **config: Any) -> Self:
        """Train a tokenizer on the text of the joined pieces; `config` is its recipe table."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """The ids of a text."""

    @abstractmethod
    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The text of ids; an unknown token gives U+FFFD."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything that `from_json` needs, as plain JSON values."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""

    @property
    def fingerprint(self) -> str:
        """A fingerprint of the mapping: equal mappings have equal fingerprints."""
        return fingerprint([type(self).__qualname__, self.to_json()])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned dtype that fits the vocabulary."""
        return np.min_scalar_type(max(self.vocab_size - 1, 0))

    @property
    def start_id(self) -> int:
        """The token read before a text, so that the first token of the text is predicted too.

        It is `end_id` if documents are kept separate, else a newline if the vocabulary has one, else
        the most frequent token.
        """
        if self.end_id is not None:
            return self.end_id
        if self.knows("\n"):
            newline = self.encode("\n")
            if len(newline) == 1:
                return int(newline[0])
        return self.frequent_id

    def knows(self, text: str) -> bool:
        """Whether the vocabulary covers the whole text."""
        try:
            ids = self.encode(text)
        except UnknownCharacterError:
            return False
        return self.unknown_id is None or not bool(np.any(ids == self.unknown_id))

    def extended(self, other: Self) -> Self:
        """This tokenizer, with the tokens that only `other` has after its own; the ids of its own stay.

        An end token of its own stays the last. A model that was trained with this tokenizer is extended by
        new rows.

        Args:
            other: a tokenizer that was trained on other text.
        Raises:
            ContractError: this kind of tokenizer has no such form.
        """
        raise ContractError(f"the vocabulary of {type(self).__name__} cannot be extended.")

    def safe_cut(self, text: str) -> int:
        """The largest i such that `text[:i]` and any following text can be encoded separately; may be 0."""
        return 0

    def unknown_characters(self, text: str, ids: Ids) -> int:
        """Number of characters of the text that its ids do not represent."""
        unknown = 0 if self.unknown_id is None else int(np.count_nonzero(ids == self.unknown_id))
        if not unknown:
            return 0
        return len(text) - (len(self.decode(ids)) - unknown)

    def decoder(self) -> Decoder:
        """A decoder for ids that arrive one by one."""
        return Decoder(self)

    def encode_stream(self, pieces: Iterable[str]) -> Iterator[tuple[str, Ids]]:
        """Encode a text in pieces, in bounded memory: `(text, its ids)`, cut at safe positions.

        Raises:
            UnknownCharacterError: an unknown character, with its position in the whole text.
        """
        offset = 0
        for text in safe_pieces(pieces, self.safe_cut):
            try:
                ids = self.encode(text)
            except UnknownCharacterError as error:
                raise UnknownCharacterError(error.character, offset + error.position) from error
            yield text, ids
            offset += len(text)

    def encode_prompt(self, text: str) -> list[int]:
        """The ids of any text: characters that cannot be encoded are read as unknown, or left out."""
        try:
            return [int(index) for index in self.encode(text)]
        except UnknownCharacterError:
            known = [self.encode(character).tolist() if self.knows(character) else [] for character in text]
            unknown = [] if self.unknown_id is None else [self.unknown_id]
            return [index for ids in known for index in ids or unknown]


def safe_pieces(pieces: Iterable[str], safe_cut: Callable[[str], int]) -> Iterator[str]:
    """The same text, in pieces that end at the positions that `safe_cut` gives."""
    pending = ""
    for piece in pieces:
        pending += piece
        if cut := safe_cut(pending):
            yield pending[:cut]
            pending = pending[cut:]
    if pending:
        yield pending


class Decoder:
    """Decodes ids one by one; the pieces joined equal `decode` of all ids.

    A piece is the text that the ids since the last piece add. An unfinished tail (one that ends in
    U+FFFD, as the first bytes of a character do) is held back. This works for every tokenizer whose
    text only grows, and decodes only a few ids at a time.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._before: list[int] = []
        self._pending: list[int] = []

    def push(self, token_id: int) -> str:
        """The text that this id completes, which may be empty."""
        self._pending.append(token_id)
        text = self._added()
        if text.endswith(REPLACEMENT) and token_id != self._tokenizer.unknown_id:
            return ""
        self._before, self._pending = self._pending, []
        return text

    def flush(self) -> str:
        """The rest of the text, after the last id."""
        text = self._added() if self._pending else ""
        self._before, self._pending = self._pending, []
        return text

    def _added(self) -> str:
        before = self._tokenizer.decode(self._before)
        return self._tokenizer.decode([*self._before, *self._pending])[len(before) :]


class PlainDecoder(Decoder):
    """A decoder for a tokenizer whose ids are independent pieces of text: nothing is held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self._texts: dict[int, str] = {}

    def push(self, token_id: int) -> str:
        """The text of this id."""
        if token_id not in self._texts:
            self._texts[token_id] = self._tokenizer.decode([token_id])
        return self._texts[token_id]

    def flush(self) -> str:
        """The empty string: nothing was held back."""
        return ""
