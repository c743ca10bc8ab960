import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.errors import UnknownCharacterError
from seqkit.inference.reading import BLOCK, Documents, blocks, read_blocks
from seqkit.tokenizers import CharTokenizer, WordTokenizer
from seqkit.tokenizers.documents import with_end

PIECES = st.lists(st.text("ab \n", max_size=9))


@given(PIECES, st.integers(1, 6))
def test_blocks_are_the_same_text_in_one_size(pieces: list[str], size: int) -> None:
    found = list(blocks(pieces, size))
    assert "".join(found) == "".join(pieces)
    assert {len(block) for block in found[:-1]} <= {size}
    assert all(0 < len(block) <= size for block in found)


@given(PIECES)
def test_pieces_give_the_ids_of_the_whole(pieces: list[str]) -> None:
    tokenizer = WordTokenizer(["a", "b", "ab", " ", "\n"])
    read = list(read_blocks(tokenizer, pieces))
    text = "".join(pieces)
    assert "".join(block.text for block in read) == text
    assert [i for block in read for i in block.ids.tolist()] == tokenizer.encode(text).tolist()
    assert sum(block.unknown for block in read) == tokenizer.unknown_characters(text, tokenizer.encode(text))


def test_the_end_token_represents_a_line_end() -> None:
    tokenizer = with_end(CharTokenizer("abc"))
    (block,) = read_blocks(tokenizer, ["ab\nc", "☃\n\n"], lines=True)
    end = tokenizer.end_id
    assert block.ids.tolist() == [1, 2, end, 3, 0, end, end]
    assert (block.text, block.unknown) == ("ab\nc☃\n\n", 1)
    assert block.ids.dtype == tokenizer.dtype
    parts = [read.ids for read in read_blocks(tokenizer, "ab\nc", lines=True)]
    assert np.concatenate(parts).tolist() == [1, 2, end, 3, end]  # the last line is ended too


def test_an_end_token_follows_each_document() -> None:
    tokenizer = with_end(CharTokenizer("abc\n"))
    end = tokenizer.end_id
    (block,) = read_blocks(tokenizer, Documents([["a\n", "b"], ["c", "☃"]]))
    assert block.ids.tolist() == [*tokenizer.encode("a\nb").tolist(), end, tokenizer.encode("c")[0], 0, end]
    assert (block.text, block.unknown) == ("a\nb\nc☃\n", 1)
    assert block.ids.dtype == tokenizer.dtype
    assert list(read_blocks(tokenizer, Documents([]))) == []


def test_many_documents_are_read_in_bounded_blocks() -> None:
    tokenizer = with_end(CharTokenizer("ab"))
    documents = [["a" * 70, "b" * (index % 50)] for index in range(2000)]
    read = list(read_blocks(tokenizer, Documents(documents)))
    assert len(read) > 1
    assert all(len(block.text) <= BLOCK + 200 for block in read)
    assert "".join(block.text for block in read) == "".join("".join(one) + "\n" for one in documents)
    assert sum(int(np.count_nonzero(block.ids == tokenizer.end_id)) for block in read) == 2000


def test_a_strict_tokenizer_reports_the_position_in_the_whole_text() -> None:
    tokenizer = with_end(CharTokenizer("ab\n", errors="strict"))
    for lines in (True, False):
        with pytest.raises(UnknownCharacterError, match="position 100003"):
            list(read_blocks(tokenizer, ["a\n" * 50_000, "ab\nc"], lines=lines))
