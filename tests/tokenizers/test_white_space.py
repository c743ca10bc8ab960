import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.errors import SourceError
from seqkit.tokenizers import WordTokenizer
from seqkit.tokenizers.white_space import safe_cut, split

LINE = " the <unk> said it will buy N shares of the company \n"
WRITTEN = LINE.replace("\n", "<eos>\n")
texts = st.lists(
    st.sampled_from(["a", "bc", "<unk>", "<eos>", "é", " ", "  ", "\t", "\n", "\xa0", "\x1c"])
).map("".join)


def train(text: str, **options: object) -> WordTokenizer:
    return WordTokenizer.train([text], split="white-space", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", [LINE, WRITTEN])
def test_the_vocabulary_is_the_words_with_unk_and_eos(line: str) -> None:
    tokenizer = train(line * 200)
    assert {*tokenizer.tokens} == {*LINE.split(), "<eos>"} - {"<unk>"}
    assert tokenizer.vocab_size == 11  # with <unk>
    ids = tokenizer.encode(line)
    assert len(ids) == 12
    assert np.count_nonzero(ids == tokenizer.unknown_id) == 1
    assert tokenizer.unknown_characters(line, ids) == 0, "<unk> is a word of the corpus"
    assert tokenizer.decode(ids) == LINE
    assert tokenizer.unit == "word"


def test_a_blank_line_is_an_end_and_white_space_at_the_end_is_not() -> None:
    assert split("a\n \n\nb  c \t") == ["a", "<eos>", "<eos>", "<eos>", "b", "c"]
    assert split("A <eos>  \nB", lowercase=True) == ["a", "<eos>", "b"]


def test_unknown_words_and_line_ends_are_counted_in_characters() -> None:
    tokenizer = WordTokenizer(["a"], split="white-space")
    text = "a word\n"
    assert tokenizer.encode(text).tolist() == [1, 0, 0]
    assert tokenizer.unknown_characters(text, tokenizer.encode(text)) == 5


@given(texts, texts)
def test_a_text_can_be_cut_where_it_says(text: str, following: str) -> None:
    cut = safe_cut(text)
    assert 0 <= cut <= len(text)
    assert split(text[:cut]) + split(text[cut:] + following) == split(text + following)


@given(texts, texts)
def test_the_streaming_decoder_gives_the_same_text(text: str, other: str) -> None:
    tokenizer = train("a " + text)
    ids = tokenizer.encode(text + other)
    decoder = tokenizer.decoder()
    assert "".join(map(decoder.push, ids.tolist())) + decoder.flush() == tokenizer.decode(ids)
    assert split(tokenizer.decode(tokenizer.encode(text))) == split(text)


def test_json_keeps_it_and_what_is_older_is_unicode() -> None:
    tokenizer = train(LINE)
    again = WordTokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert again.encode(LINE).tolist() == tokenizer.encode(LINE).tolist()
    assert again.fingerprint == tokenizer.fingerprint != WordTokenizer(tokenizer.tokens).fingerprint
    older = {"tokens": ["a"], "lowercase": False, "unknown": "token"}
    assert WordTokenizer.from_json(older).split == "unicode"


def test_it_does_not_spell() -> None:
    with pytest.raises(SourceError, match='unknown = "spell" needs split = "unicode"'):
        train(LINE, unknown="spell")
