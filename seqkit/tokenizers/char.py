"""One token per Unicode code point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import SourceError, UnknownCharacterError
from seqkit.fingerprint import fingerprint
from seqkit.tokenizers.base import REPLACEMENT, Decoder, Ids, PlainDecoder, Tokenizer

CODE_POINTS = 0x110000
UNKNOWN_ID = 0


class CharTokenizer(Tokenizer):
    """Characters are Unicode code points; the vocabulary is `<unk>`, the sorted characters, and added ones.

    Args:
        characters: the characters of the vocabulary, in any order.
        errors: `"replace"` maps an unknown character to `<unk>`, which is decoded as U+FFFD;
            `"strict"` raises.
        frequent: the most frequent character of the training text; default: the first one.
        added: characters that follow the sorted ones, in this order.

    Example:
        >>> tokenizer = CharTokenizer("abc")
        >>> tokenizer.encode("cab?").tolist()
        [3, 1, 2, 0]
        >>> tokenizer.decode([3, 1, 2])
        'cab'
    """

    unknown_id = UNKNOWN_ID

    def __init__(
        self,
        characters: str,
        *,
        errors: Literal["replace", "strict"] = "replace",
        frequent: str | None = None,
        added: str = "",
    ) -> None:
        self.characters = "".join(sorted(set(characters)))
        self._sorted = len(self.characters)
        self.characters += "".join(each for each in dict.fromkeys(added) if each not in self.characters)
        if not self.characters:
            raise SourceError("a character tokenizer needs at least one character, and the text has none.")
        self.errors = errors
        self.vocab_size = 1 + len(self.characters)
        self._code_of_id = np.concatenate([[ord(REPLACEMENT)], _code_points(self.characters)]).astype("<u4")
        self._id_of_code = np.zeros(CODE_POINTS, dtype=self.dtype)  # 0 is UNKNOWN_ID
        self._id_of_code[self._code_of_id[1:]] = np.arange(1, self.vocab_size)
        self._id_of_ascii = np.ascontiguousarray(self._id_of_code[:128])
        self.frequent_id = int(self._id_of_code[ord(frequent)]) if frequent else 1

    def __repr__(self) -> str:
        added = f", added={self.characters[self._sorted :]!r}" if len(self.characters) > self._sorted else ""
        return f"CharTokenizer({self.characters[: self._sorted]!r}, errors={self.errors!r}{added})"

    @classmethod
    def train(cls, pieces: Iterable[str], *, errors: Literal["replace", "strict"] = "replace") -> Self:
        """Make a tokenizer with the characters of the joined pieces."""
        counts = np.zeros(CODE_POINTS, dtype=np.int64)
        for piece in pieces:
            found = np.bincount(_code_points(piece))
            counts[: len(found)] += found
        characters = _text(np.flatnonzero(counts))
        return cls(characters, errors=errors, frequent=chr(int(counts.argmax())) if characters else None)

    def extended(self, other: Self) -> Self:
        """This tokenizer, with the characters that only `other` has after its own."""
        return type(self)(
            self.characters[: self._sorted],
            errors=self.errors,
            frequent=self.characters[self.frequent_id - 1],
            added=self.characters[self._sorted :] + other.characters,
        )

    def encode(self, text: str) -> Ids:
        """The id of each character.

        Raises:
            UnknownCharacterError: with `errors="strict"`, at the first unknown character.
        """
        table = self._id_of_ascii if text.isascii() else self._id_of_code
        ids = table.take(_code_points(text), mode="clip")  # no code is out of range; "clip" skips the check
        if self.errors == "strict" and not ids.all():
            position = int(np.argmin(ids))
            raise UnknownCharacterError(text[position], position)
        return ids

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The character of each id; `<unk>` gives U+FFFD."""
        return _text(self._code_of_id[np.asarray(ids, dtype=np.intp)])

    def safe_cut(self, text: str) -> int:
        """The whole text: characters are encoded independently."""
        return len(text)

    def unknown_characters(self, text: str, ids: Ids) -> int:
        """One character per unknown id."""
        return len(ids) - int(np.count_nonzero(ids))

    def decoder(self) -> Decoder:
        """A decoder that holds nothing back, since each id is a character."""
        return PlainDecoder(self)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the characters and of `errors`; the most frequent character does not count."""
        return fingerprint(["char", list(self.characters), self.errors])

    def to_json(self) -> dict[str, Any]:
        """The characters in the order of their ids; a list, since JSON would join a split surrogate pair."""
        return {
            "characters": list(self.characters[: self._sorted]),
            "errors": self.errors,
            "frequent": self.characters[self.frequent_id - 1],
            **({"added": list(added)} if (added := self.characters[self._sorted :]) else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""
        return cls(
            "".join(data["characters"]),
            errors=data["errors"],
            frequent=data["frequent"],
            added="".join(data.get("added", ())),
        )


def _code_points(text: str) -> NDArray[Any]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    # A Python string may contain lone surrogates: "surrogatepass" keeps them unchanged.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _text(codes: NDArray[Any]) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
