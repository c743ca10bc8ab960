from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqkit.tokenizers import Tokenizer


class Bytes(Tokenizer):
    """The bytes of UTF-8: a character is known only after its last byte."""

    vocab_size = 256

    @classmethod
    def train(cls, pieces: Iterable[str], *args: Any, **config: Any) -> Self:
        return cls()

    def encode(self, text: str) -> NDArray[np.uint8]:
        return np.frombuffer(text.encode(), dtype=np.uint8)

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        return bytes(np.asarray(ids, dtype=np.uint8)).decode("utf-8", "replace")

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls()


@given(st.text())
def test_the_default_decoder_holds_back_what_is_unfinished(text: str) -> None:
    tokenizer = Bytes()
    decoder = tokenizer.decoder()
    pieces = [decoder.push(token) for token in tokenizer.encode(text).tolist()]
    assert "".join(pieces) + decoder.flush() == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


@given(st.lists(st.text()))
def test_without_a_safe_cut_text_is_encoded_whole(pieces: list[str]) -> None:
    parts = list(Bytes().encode_stream(pieces))
    assert [text for text, _ in parts] == (["".join(pieces)] if "".join(pieces) else [])


def test_what_a_tokenizer_does_not_say_has_a_default() -> None:
    tokenizer = Bytes()
    assert tokenizer.dtype == np.uint8
    assert tokenizer.start_id == ord("\n")
    assert tokenizer.unknown_characters("ab", tokenizer.encode("ab")) == 0
    assert tokenizer.fingerprint == Bytes().fingerprint
