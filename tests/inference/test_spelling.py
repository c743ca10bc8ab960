import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.inference.spelling import clusters, token_texts, whole_characters
from seqkit.tokenizers import CharTokenizer, Tokenizer, WordTokenizer
from seqkit.tokenizers.documents import with_end

WORDS = WordTokenizer.train(["the cat sat on the mat. 中 文 ς ΟΔΟΣ"], lowercase=True)
TOKENIZERS = [CharTokenizer("the cat\n"), WORDS, WordTokenizer(["a", " ", "b"], unknown="spell")]


def spelled(tokenizer: Tokenizer, text: str) -> list[str]:
    return token_texts(tokenizer, text, tokenizer.encode(text))


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["char", "word", "spell"])
@given(text=st.text())
def test_there_is_a_text_for_every_token(tokenizer: Tokenizer, text: str) -> None:
    found = spelled(tokenizer, text)
    assert len(found) == len(tokenizer.encode(text))
    if "İ" not in text:  # in lower case it has two code points
        assert "".join(found) == text


def test_unknown_tokens_and_upper_case_are_spelled_as_in_the_text() -> None:
    assert spelled(WORDS, "The CAT sat on the Zürich.") == [
        *("The", " ", "CAT", " ", "sat", " ", "on", " ", "the", " ", "Zürich", ".")
    ]
    assert spelled(WORDS, "中国文") == ["中", "国", "文"]
    assert spelled(WORDS, "ΟΔΟΣ ς") == ["ΟΔΟΣ", " ", "ς"]
    assert spelled(WORDS, "the foo«on") == ["the", " ", "", "foo«", "on"]  # two contiguous unknown tokens
    assert spelled(CharTokenizer("ab"), "a☃\ud800b\ufffd") == ["a", "☃", "\ud800", "b", "\ufffd"]


def test_the_end_of_a_document_is_a_line_end() -> None:
    tokenizer = with_end(CharTokenizer("ab"))
    ids = np.array([1, tokenizer.end_id, 2, 0, tokenizer.end_id])
    assert token_texts(tokenizer, "a\nbx\n", ids) == ["a", "\n", "b", "x", "\n"]


def test_a_character_of_several_code_points_is_not_split() -> None:
    assert whole_characters(["e", "\u0301", "x"]) == [("e\u0301", 2), ("x", 1)]
    assert whole_characters(["", "", "中", "", "a"]) == [("中", 3), ("a", 2)]
    assert whole_characters([*"👩\u200d👧", "word", " "]) == [("👩\u200d👧", 3), ("word", 1), (" ", 1)]
    assert whole_characters(["the", "\u0301 cat"]) == [("the\u0301 cat", 2)]
    assert whole_characters(["a", ""]) == [("a", 2)]
    assert whole_characters([]) == []


@given(st.lists(st.text("ae\u0301\u200d👩🏽\r\n", max_size=3)))
def test_groups_hold_every_token_and_all_of_the_text(texts: list[str]) -> None:
    groups = whole_characters(texts)
    assert "".join(text for text, _ in groups) == "".join(texts)
    if any(texts):
        assert sum(count for _, count in groups) == len(texts)
    assert [c for text, _ in groups for c in clusters(text)] == clusters("".join(texts))
