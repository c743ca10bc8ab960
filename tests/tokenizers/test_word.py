import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seqkit.errors import RecipeError, SourceError
from seqkit.testing import TokenizerCase
from seqkit.tokenizers import WordTokenizer, word
from seqkit.tokenizers.word import SINGLE_BLANKS, split

any_text = st.text(st.characters(), min_size=1)  # every code point: NUL and lone surrogates included
PARTS = (
    *("a", "Bc", "é", "e", "\u0301", "'", "’", "isn't", "ж", "Σ", "İ", "ℹ", "שָׁלוֹם", "\u200c", "क्", "ष"),
    *("1", "22", "\u0663", ".", "_", "-", "\u0600", "\ufe0f", "\u20e3", "\u200d", "👩", "🇨", "🇭", "❤", "🏽"),
    *(" ", " ", "  ", " " * 15, "\n", "\n\n", "\r", "\t", "\u3000", "\u2028", "\0", "\xad", "\ufffd"),
    *("世", "こ", "ー", "パ", "\u3099", "한", "ไ", "\u0e33", "\ud83d", "\ude00"),
)
mixed_text = st.lists(st.sampled_from(PARTS), min_size=1).map("".join)
"""What meets at the seams of tokens, far more often than in `any_text`."""
some_text = any_text | mixed_text
options = st.fixed_dictionaries({"lowercase": st.booleans(), "unknown": st.sampled_from(["token", "spell"])})


@given(some_text)
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text
    assert [split(token) for token in split(text)] == [[token] for token in split(text)]


@given(st.text(st.characters(max_codepoint=127)) | st.text(st.sampled_from("aB'1 \n\t\r.")))
def test_ascii_is_split_as_it_is_in_any_text(text: str) -> None:
    assert split(text + "\0世")[:-1] == split(text + "\0")


@given(some_text, st.data())
def test_what_is_over_the_vocabulary_comes_back_whole(text: str, data: st.DataObject) -> None:
    tokenizer = WordTokenizer.train([text])
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode(text).dtype == np.min_scalar_type(tokenizer.vocab_size - 1)
    other = "".join(data.draw(st.lists(st.sampled_from(split(text)))))
    ids = tokenizer.encode(other)
    if tokenizer.unknown_characters(other, ids) == 0:
        assert tokenizer.decode(ids) == other


@given(some_text, st.data(), st.integers(1, 3))
def test_what_can_be_spelled_comes_back_whole(text: str, data: st.DataObject, min_count: int) -> None:
    tokenizer = WordTokenizer.train([text], unknown="spell", min_count=min_count)
    other = data.draw(st.text(st.sampled_from(sorted(set(text)))))
    ids = tokenizer.encode(other)
    assert tokenizer.decode(ids) == other
    assert tokenizer.unknown_characters(other, ids) == 0


@given(some_text, some_text)
def test_an_unknown_token_becomes_u_fffd(text: str, other: str) -> None:
    tokenizer = WordTokenizer.train([text])
    known = {*split(text), *SINGLE_BLANKS}
    ids = tokenizer.encode(other)
    assert tokenizer.decode(ids) == "".join(t if t in known else "\ufffd" for t in split(other))
    missing = sum(len(token) for token in split(other) if token not in known)
    assert tokenizer.unknown_characters(other, ids) == missing


@given(some_text, some_text)
def test_a_character_that_cannot_be_spelled_becomes_u_fffd(text: str, other: str) -> None:
    tokenizer = WordTokenizer.train([text], unknown="spell")
    ids = tokenizer.encode(other)
    known = {*text, *SINGLE_BLANKS}
    assert tokenizer.decode(ids) == "".join(c if c in known else "\ufffd" for c in other)
    assert tokenizer.unknown_characters(other, ids) == sum(c not in known for c in other)


@given(some_text, st.sampled_from(["token", "spell"]))
@example("ΑΣ.Β ΑΣ", "token")
@example("İstanbul", "spell")
def test_in_lower_case_the_text_comes_back_in_lower_case(text: str, unknown: Any) -> None:
    tokenizer = WordTokenizer.train([text], lowercase=True, unknown=unknown)
    ids = tokenizer.encode(text)
    back = tokenizer.decode(ids)
    assert back.replace("ς", "σ") == text.lower().replace("ς", "σ")
    assert tokenizer.unknown_characters(text, ids) == 0
    if text == text.lower():
        assert back == text


def test_unknown_characters_are_counted_as_they_were_before_lower_case() -> None:
    tokenizer = WordTokenizer(["a", " "], lowercase=True)
    assert tokenizer.unknown_characters("A İİ", tokenizer.encode("A İİ")) == 2
    tokenizer = WordTokenizer(["a", " "], lowercase=True, unknown="spell")
    assert tokenizer.encode("A İ").tolist() == [1, 2, 0, 0]
    assert tokenizer.unknown_characters("A İ", tokenizer.encode("A İ")) == 1


@given(st.lists(some_text, min_size=1), options)
def test_json_keeps_the_mapping(pieces: list[str], config: dict[str, Any]) -> None:
    tokenizer = WordTokenizer.train(pieces, **config)
    again = WordTokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    text = "".join(pieces)
    assert np.array_equal(again.encode(text), tokenizer.encode(text))
    assert again.fingerprint == tokenizer.fingerprint
    assert again.start_id == tokenizer.start_id


@given(some_text, some_text, options)
def test_a_text_can_be_cut_where_it_says(text: str, following: str, config: dict[str, Any]) -> None:
    tokenizer = WordTokenizer.train([text + following], **config)
    cut = tokenizer.safe_cut(text)
    assert 0 <= cut <= len(text)
    halves = [tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:] + following)]
    assert np.array_equal(np.concatenate(halves), tokenizer.encode(text + following))


@given(st.lists(some_text, min_size=1), options)
def test_text_in_pieces_is_encoded_and_learned_as_the_whole(
    pieces: list[str], config: dict[str, Any]
) -> None:
    text = "".join(pieces)
    tokenizer = WordTokenizer.train(pieces, **config)
    assert tokenizer.tokens == WordTokenizer.train([text], **config).tokens
    parts = list(tokenizer.encode_stream(pieces))
    assert "".join(part for part, _ in parts) == text
    assert np.array_equal(np.concatenate([ids for _, ids in parts]), tokenizer.encode(text))


@given(some_text, some_text, options)
def test_the_streaming_decoder_gives_the_same_text(text: str, other: str, config: dict[str, Any]) -> None:
    tokenizer = WordTokenizer.train([text], **config)
    ids = tokenizer.encode(text + other)
    decoder = tokenizer.decoder()
    pieces = [*map(decoder.push, ids.tolist()), decoder.flush()]
    assert "".join(pieces) == tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's 3.14, isn't it?", "It's| |3|.|14|,| |isn't| |it|?"),
        ("l’été snake_case x2 'tis", "l’été| |snake|_|case| |x|2| |'|tis"),
        ("cafe\u0301 שָׁלוֹם السَّلام", "cafe\u0301| |שָׁלוֹם| |السَّلام"),
        ("می\u200cخواهم हिन्दी 한국어", "می\u200cخواهم| |हिन्दी| |한국어"),
        ("床前明月光,疑", "床|前|明|月|光|,|疑"),
        ("スーパーか\u3099abc。", "ス|ー|パ|ー|か\u3099|abc|。"),
        ("สวัสดี", "ส|วั|ส|ดี"),
        ("👩‍👩‍👧‍👦🏳️‍🌈🇨🇭🇯🇵👍🏽", "👩‍👩‍👧‍👦|🏳️‍🌈|🇨🇭|🇯🇵|👍🏽"),
        ("1️⃣ ²½", "1️⃣| |²|½"),
        ("\n\n   x" + " " * 23 + "\t\r\n", "\n\n|  | |x|" + " " * 16 + "|    |  | |\t|\r\n"),
    ],
)
def test_tokens_of_many_scripts(text: str, tokens: str) -> None:
    assert split(text) == tokens.split("|")


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("", 0),
        ("the cat", 4),
        ("the isn'", 4),
        ("the isn't", 4),
        ("the '", 4),
        ("the   ", 3),
        ("x" + " " * 37, 33),
        ("one\r", 3),
        ("光明", 1),
        ("é 👩\u200d", 2),
    ],
)
def test_the_cut_is_before_what_may_go_on(text: str, cut: int) -> None:
    assert WordTokenizer(["a"]).safe_cut(text) == cut


def test_frequent_tokens_come_first_and_ties_in_order() -> None:
    tokenizer = WordTokenizer.train(["b a c a", " c d"])
    assert tokenizer.tokens == [" ", "a", "c", "b", "d", "\t", "\n", "\r"]
    assert tokenizer.vocab_size == 9
    assert tokenizer.encode("a d e").tolist() == [2, 1, 5, 1, 0]
    assert tokenizer.decode([0, 1]) == "\ufffd "


def test_rare_words_are_left_out() -> None:
    text = "b a c a c d"
    assert WordTokenizer.train([text], min_count=2).tokens == [" ", "a", "c", "\t", "\n", "\r"]
    assert WordTokenizer.train([text], max_vocab=6).tokens == [" ", "a", "\t", "\n", "\r"]
    assert WordTokenizer.train([text], max_vocab=6).vocab_size == 6
    with pytest.raises(SourceError, match="max_vocab = 4 is too small for <unk> and 4 kinds of white space"):
        WordTokenizer.train([text], max_vocab=4)


@given(st.lists(st.sampled_from(["cat", "it's", "3", "."]), min_size=1), st.data())
def test_known_words_come_back_however_they_are_set(words: list[str], data: st.DataObject) -> None:
    tokenizer = WordTokenizer.train(["".join(words)])
    blanks = st.sampled_from(SINGLE_BLANKS)
    text = "".join(word + data.draw(blanks) for word in split("".join(words)))
    ids = tokenizer.encode(text)
    back = tokenizer.decode(ids)
    assert back == text
    assert tokenizer.unknown_characters(text, ids) == 0


def test_a_spelled_word_is_its_characters() -> None:
    tokenizer = WordTokenizer.train(["the cat the act"], unknown="spell", min_count=2)
    assert tokenizer.tokens == [" ", "the", "\t", "\n", "\r", "a", "c", "e", "h", "t"]
    assert tokenizer.decode(tokenizer.encode("the chat")) == "the chat"
    assert len(tokenizer.encode("the chat")) == 6
    assert tokenizer.decode(tokenizer.encode("the cab")) == "the ca\ufffd"


def test_characters_leave_the_rest_of_the_room_to_words() -> None:
    text = "cat cat act"
    tokens = WordTokenizer.train([text], unknown="spell", max_vocab=9).tokens
    assert tokens == [" ", "cat", "\t", "\n", "\r", "a", "c", "t"]
    with pytest.raises(SourceError) as caught:
        WordTokenizer.train([text], unknown="spell", max_vocab=4)
    assert "max_vocab = 4 is too small for <unk> and the 7 characters" in str(caught.value)
    assert 'unknown = "token"' in str(caught.value)


def test_the_fingerprint_is_equal_where_the_mapping_is() -> None:
    first = WordTokenizer(["a", "b"])
    assert first.fingerprint == WordTokenizer(["a", "b", "a"]).fingerprint
    for other in (["b", "a"], ["a", "b", "c"]):
        assert first.fingerprint != WordTokenizer(other).fingerprint
    assert first.fingerprint != WordTokenizer(["a", "b"], lowercase=True).fingerprint
    assert first.fingerprint != WordTokenizer(["a", "b"], unknown="spell").fingerprint


def test_a_text_is_read_after_a_newline_or_the_most_frequent_token() -> None:
    with_newline = WordTokenizer.train(["a a\n"])
    assert with_newline.decode([with_newline.start_id]) == "\n"
    without = WordTokenizer([" ", "b", "a"])
    assert without.decode([without.start_id]) == " "


def test_no_text_gives_no_tokenizer() -> None:
    with pytest.raises(SourceError, match="at least one token"):
        WordTokenizer.train([])
    with pytest.raises(SourceError, match=re.escape("no word occurs 9 times in the text")):
        WordTokenizer.train(["a b"], min_count=9)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"min_count": 0}, "min_count: .*greater than or equal to 1.* 0"),
        ({"max_vocab": 1}, "max_vocab: .*greater than or equal to 2.* 1"),
        ({"lowercase": "yes"}, "lowercase: .*boolean.* 'yes'"),
        ({"unknown": "drop"}, "unknown: .*'token' or 'spell'.* 'drop'"),
        ({"split": "lines"}, "split: .*'unicode' or 'white-space'.* 'lines'"),
        (
            {"split": "white-space", "unknown": "spell"},
            "split: cannot be combined with tokenizer.unknown=spell",
        ),
        ({"errors": "strict"}, "errors"),
    ],
)
def test_a_wrong_config_says_what_is_right(config: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        TokenizerCase("word", **config).prepare()


@given(st.text("ab1 \n\r\té\u0301\u200d’‘。，中ぁ々\u3099\ufe00\u0600\u00a0😀\x1c", max_size=40))
def test_the_faster_way_finds_the_same_tokens(text: str) -> None:
    for each in (text, "x\n" + text + "\ny", "中\r\n" + text + "\r\n中"):
        assert word.split(each) == word._TOKEN.findall(each)


def test_each_plain_character_is_a_token_next_to_any_other() -> None:
    plain = [chr(code) for code in range(0x10000) if not word._NOT_PLAIN.match(chr(code))]
    assert {*"\0a中ぁア。，“"} <= {*plain}
    for each in plain:
        pairs = "".join(f"{other}{each}" for other in "a1 'a\r中\n")
        assert word._PLAIN_TOKEN.findall(pairs) == word._TOKEN.findall(pairs), repr(each)
