import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.errors import SourceError, UnknownCharacterError
from seqkit.tokenizers import CharTokenizer

any_text = st.text(st.characters(), min_size=1)  # every code point: NUL and lone surrogates included


@given(any_text, st.data())
def test_what_is_over_the_vocabulary_comes_back_whole(text: str, data: st.DataObject) -> None:
    tokenizer = CharTokenizer.train([text])
    other = data.draw(st.text(st.sampled_from(sorted(set(text)))))
    assert tokenizer.decode(tokenizer.encode(other)) == other
    assert tokenizer.encode(other).dtype == np.min_scalar_type(tokenizer.vocab_size - 1)


@given(any_text, any_text)
def test_an_unknown_character_becomes_u_fffd(text: str, other: str) -> None:
    tokenizer = CharTokenizer.train([text])
    expected = "".join(c if c in text else "\ufffd" for c in other)
    assert tokenizer.decode(tokenizer.encode(other)) == expected
    assert tokenizer.unknown_characters(other, tokenizer.encode(other)) == sum(c not in text for c in other)


@given(st.lists(any_text, min_size=1))
def test_json_keeps_the_mapping(pieces: list[str]) -> None:
    tokenizer = CharTokenizer.train(pieces)
    again = CharTokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    text = "".join(pieces)
    assert np.array_equal(again.encode(text), tokenizer.encode(text))
    assert again.fingerprint == tokenizer.fingerprint
    assert again.start_id == tokenizer.start_id


@given(st.lists(any_text))
def test_text_in_pieces_is_encoded_as_the_whole(pieces: list[str]) -> None:
    tokenizer = CharTokenizer("abc")
    parts = list(tokenizer.encode_stream(pieces))
    assert "".join(text for text, _ in parts) == "".join(pieces)
    joined = np.concatenate([ids for _, ids in parts]) if parts else []
    assert np.array_equal(joined, tokenizer.encode("".join(pieces)))


@given(any_text)
def test_the_streaming_decoder_gives_the_same_text(text: str) -> None:
    tokenizer = CharTokenizer.train([text])
    decoder = tokenizer.decoder()
    assert "".join([*map(decoder.push, tokenizer.encode(text).tolist()), decoder.flush()]) == text


def test_the_vocabulary_is_sorted_behind_unknown() -> None:
    tokenizer = CharTokenizer.train(["banana", "c\0"])
    assert tokenizer.characters == "\0abcn"
    assert tokenizer.vocab_size == 6
    assert tokenizer.encode("\0abcn?").tolist() == [1, 2, 3, 4, 5, 0]
    assert tokenizer.decode([0, 1]) == "\ufffd\0"


def test_the_vocabulary_of_pieces_is_that_of_the_whole() -> None:
    assert CharTokenizer.train(["ab", "ж", "c"]).characters == CharTokenizer.train(["cжba"]).characters


def test_strict_names_the_character_and_its_place() -> None:
    tokenizer = CharTokenizer("abc ", errors="strict")
    assert tokenizer.encode("a cab").tolist() == [2, 1, 4, 2, 3]
    with pytest.raises(UnknownCharacterError) as caught:
        tokenizer.encode("ab ☃ c")
    assert "unknown character '☃' (U+2603, SNOWMAN) at position 3" in str(caught.value)
    assert 'errors = "replace"' in str(caught.value)


def test_the_position_is_that_in_the_whole_text() -> None:
    tokenizer = CharTokenizer("abc", errors="strict")
    with pytest.raises(UnknownCharacterError, match="'x'.* at position 7"):
        list(tokenizer.encode_stream(["abc", "abca", "xa"]))


def test_any_prompt_is_read() -> None:
    tokenizer = CharTokenizer("abc", errors="strict")
    assert tokenizer.encode_prompt("a☃c") == [1, 0, 3]
    assert tokenizer.encode_prompt("") == []


def test_the_fingerprint_is_equal_where_the_mapping_is() -> None:
    assert CharTokenizer("ab").fingerprint == CharTokenizer("ba", frequent="b").fingerprint
    assert CharTokenizer("ab").fingerprint != CharTokenizer("ab", errors="strict").fingerprint
    assert CharTokenizer("ab").fingerprint != CharTokenizer("abc").fingerprint


def test_a_text_is_read_after_a_newline_or_the_most_frequent_character() -> None:
    with_newline = CharTokenizer.train(["aab\n"])
    assert with_newline.decode([with_newline.start_id]) == "\n"
    without = CharTokenizer.train(["abb"])
    assert without.decode([without.start_id]) == "b"
    strict = CharTokenizer.train(["abb"], errors="strict")
    assert strict.decode([strict.start_id]) == "b"


def test_no_text_gives_no_tokenizer() -> None:
    with pytest.raises(SourceError, match="at least one character"):
        CharTokenizer.train([])
