import pytest

from seqkit.errors import ContractError, UnknownCharacterError
from seqkit.testing import TokenizerCase
from seqkit.tokenizers import CharTokenizer, WordTokenizer
from seqkit.tokenizers.documents import EndToken, open_with_end, with_end


def test_the_end_is_the_last_id_and_no_text() -> None:
    inner = CharTokenizer("abc")
    tokenizer = with_end(inner)
    assert (tokenizer.vocab_size, tokenizer.end_id, tokenizer.start_id) == (5, 4, 4)
    assert tokenizer.unknown_id == inner.unknown_id
    assert tokenizer.encode("cab?").tolist() == inner.encode("cab?").tolist()
    assert tokenizer.decode([3, 4, 1, 4]) == "ca"
    assert tokenizer.unknown_characters("a?b", tokenizer.encode("a?b")) == 1
    assert tokenizer.fingerprint != inner.fingerprint
    assert tokenizer.to_json() == inner.to_json()


def test_a_full_byte_of_ids_gets_a_wider_type() -> None:
    tokenizer = with_end(CharTokenizer("".join(map(chr, range(255)))))
    assert tokenizer.end_id == 256
    assert tokenizer.encode("a").dtype == tokenizer.dtype == "uint16"


def test_a_tokenizer_with_an_end_of_its_own_is_used_as_it_is() -> None:
    tokenizer = with_end(CharTokenizer("abc"))
    assert with_end(tokenizer) is tokenizer


def test_it_is_made_of_another_only() -> None:
    with pytest.raises(ContractError, match="with_end"):
        EndToken.train(["a"])
    with pytest.raises(ContractError, match="with_end"):
        EndToken.from_json({})


class TestLines:
    """If documents are lines, the line end is the end token."""

    def test_the_line_end_is_not_a_token_in_addition_to_the_end(self) -> None:
        inner = CharTokenizer("ab\n")
        tokenizer = with_end(inner, lines=True)
        assert tokenizer.vocab_size == inner.vocab_size == 4
        assert tokenizer.start_id == tokenizer.end_id == inner.encode("\n")[0]
        assert tokenizer.fingerprint != with_end(inner).fingerprint != inner.fingerprint

    @pytest.mark.parametrize("inner", [CharTokenizer("ab\n"), WordTokenizer(["ab", "a", "\n", "\n\n"])])
    def test_a_text_of_several_lines_is_read_as_lines(self, inner: CharTokenizer | WordTokenizer) -> None:
        tokenizer = with_end(inner, lines=True)
        text = "ab\na?\n\nab"
        expected: list[int] = []
        for line in text.split("\n"):
            expected += [*inner.encode(line).tolist(), tokenizer.end_id]
        ids = tokenizer.encode(text)
        assert ids.tolist() == expected[:-1]
        assert ids.dtype == tokenizer.dtype
        assert tokenizer.decode(ids) == text.replace("?", "\ufffd")
        assert tokenizer.unknown_characters(text, ids) == 1
        for cut in range(len(text)):
            safe = tokenizer.safe_cut(text[:cut])
            assert [*tokenizer.encode(text[:safe]), *tokenizer.encode(text[safe:])] == ids.tolist()

    def test_a_tokenizer_without_a_line_end_gets_an_id_more(self) -> None:
        tokenizer = with_end(CharTokenizer("ab"), lines=True)
        assert (tokenizer.vocab_size, tokenizer.end_id) == (4, 3)

    def test_the_place_of_an_unknown_character_is_that_in_the_text(self) -> None:
        tokenizer = with_end(CharTokenizer("ab\n", errors="strict"), lines=True)
        with pytest.raises(UnknownCharacterError, match="position 5"):
            tokenizer.encode("ab\nab?")

    def test_saved_and_opened_it_is_the_same(self) -> None:
        for lines in (False, True):
            tokenizer = with_end(CharTokenizer("ab\n"), lines=lines)
            again = open_with_end(CharTokenizer.from_json, tokenizer.to_json())
            assert again.fingerprint == tokenizer.fingerprint
            assert again.end_id == tokenizer.end_id


def test_word_and_char_know_the_line_end_alone() -> None:
    for name in ("char", "word"):
        tokenizer = with_end(TokenizerCase(name).train(), lines=True)
        assert tokenizer.encode("\n").tolist() == [tokenizer.end_id]
