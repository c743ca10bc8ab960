import pytest

from seqkit.errors import ContractError
from seqkit.tokenizers import CharTokenizer
from seqkit.tokenizers.documents import EndToken, with_end


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
