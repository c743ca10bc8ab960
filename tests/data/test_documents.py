from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import seqkit
from seqkit.cells import RNN
from seqkit.data import DocumentSplits, Lanes, TokenStream, Windows, build_corpus
from seqkit.errors import SourceError
from seqkit.sources import Piece, TextFiles, TextSource
from seqkit.tokenizers import CharTokenizer
from seqkit.tokenizers.documents import with_end


class Documents(TextSource):
    """Each document in pieces of a given number of characters."""

    def __init__(self, documents: Sequence[str], size: int = 3, splits: tuple[str, ...] = ("all",)) -> None:
        self.texts, self.size, self.splits = documents, size, splits

    @property
    def fingerprint(self) -> str:
        return repr((self.texts, self.splits))

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        for text in self.texts:
            for start in range(0, len(text), self.size):
                yield Piece(text[start : start + self.size], start + self.size >= len(text))


def read(splits: DocumentSplits, split: str) -> list[str]:
    return ["".join(document) for document in splits.documents(split)]


DOCUMENTS = st.lists(st.text("ab\n", min_size=1, max_size=12), max_size=30)


@given(DOCUMENTS, st.integers(1, 5), st.integers(0, 3))
def test_every_document_is_in_one_split_in_order(documents: list[str], size: int, seed: int) -> None:
    splits = DocumentSplits(Documents(documents, size), (0.5, 0.3, 0.2), seed=seed)
    expected = [text.removesuffix("\n") for text in documents if text.removesuffix("\n")]
    found = {split: read(splits, split) for split in splits.names}
    assert sorted(chain.from_iterable(found.values())) == sorted(expected)
    homes = {text: split for split, texts in found.items() for text in texts}
    for split, texts in found.items():
        assert texts == [
            text for text in expected if homes[text] == split
        ]  # equal documents are in the same split


@given(st.lists(st.text("ab\n", min_size=1, max_size=12), max_size=10), st.integers(1, 5))
def test_a_line_is_a_document_wherever_pieces_are_cut(files: list[str], size: int) -> None:
    splits = DocumentSplits(Documents(files, size), None, lines=True)
    assert read(splits, "all") == [line for text in files for line in text.split("\n") if line]


@given(DOCUMENTS, st.integers(1, 5), st.sampled_from(["a", "", "ab"]))
def test_a_separator_cuts_documents_wherever_pieces_are_cut(
    documents: list[str], size: int, separator: str
) -> None:
    splits = DocumentSplits(Documents(documents, size), None, separator=separator)
    expected = []
    for document in documents:
        found = [[]]  # type: list[list[str]]
        *lines, rest = document.split("\n")
        for line in [*(f"{line}\n" for line in lines), rest]:
            if line.removesuffix("\n") == separator:
                found.append([])
            else:
                found[-1].append(line)
        expected += ["".join(each).removesuffix("\n") for each in found]
    assert read(splits, "all") == [text for text in expected if text]


def test_a_line_longer_than_a_piece_is_not_a_separator_and_is_whole() -> None:
    text = "x" * 200_000 + "%\n%\n" + "y" * 200_000 + "\n"
    splits = DocumentSplits(Documents([text], 50_000), None, separator="%")
    assert read(splits, "all") == ["x" * 200_000 + "%", "y" * 200_000]


def test_a_blank_line_may_hold_white_space() -> None:
    splits = DocumentSplits(Documents(["one\ntwo\n \t\n\nthree\n"]), None, separator="")
    assert read(splits, "all") == ["one\ntwo", "three"]


def test_every_split_gets_documents_of_several_lines() -> None:
    texts = [f"line {i}\nand another {i}" for i in range(300)]
    splits = DocumentSplits(Documents(["\n%\n".join(texts) + "\n"], 100), separator="%")
    found = {split: read(splits, split) for split in ("train", "validation", "test")}
    assert all(found.values())
    assert sorted(chain.from_iterable(found.values())) == sorted(texts)
    assert splits.fingerprint != DocumentSplits(splits.source).fingerprint


def test_blank_lines_are_counted() -> None:
    splits = DocumentSplits(Documents(["a\n\n\nb\n"]), None, lines=True)
    assert splits.notes == ()
    for _ in range(2):
        assert read(splits, "all") == ["a", "b"]
        assert splits.notes == ("blank lines: 2, left out",)
    rows = DocumentSplits(Documents(["a\n", "\n", "b\n"]), None)
    assert read(rows, "all") == ["a", "b"]
    assert rows.notes == ("documents without text: 1, left out",)


def test_without_a_document_for_training_it_says_what_to_do(workdir: Path) -> None:
    splits = DocumentSplits(Documents(["a\n"]), (0.1, 0.0, 0.9), seed=3)
    with pytest.raises(SourceError) as caught:
        list(splits.texts("train"))
    assert str(caught.value).startswith(
        "there is no document for train (documents: 1).\n  Give more documents"
    )
    Path("a.txt").write_text("a\n")
    said = DocumentSplits(TextFiles("a.txt")).say_without(["validation", "test"])
    assert said.startswith(
        "there is no document for validation and test (documents: 1).\n  Each file is one document."
    )
    assert "data.separator=%" in said


def test_shares_are_near_the_fractions_and_stay_when_documents_are_added() -> None:
    documents = [f"document {i}" for i in range(4000)]
    before = DocumentSplits(Documents(documents[:2000]), (0.8, 0.1, 0.1))
    after = DocumentSplits(Documents(documents), (0.8, 0.1, 0.1))
    assert len(read(before, "train")) == pytest.approx(1600, abs=60)
    for split in after.names:
        assert [text for text in read(after, split) if text in set(documents[:2000])] == read(before, split)
    other = DocumentSplits(Documents(documents[:2000]), (0.8, 0.1, 0.1), seed=1)
    assert read(other, "test") != read(before, "test")
    assert other.fingerprint != before.fingerprint


def test_splits_of_the_source_are_used_and_validation_is_drawn_from_train() -> None:
    documents = [f"document {i}" for i in range(100)]
    splits = DocumentSplits(Documents(documents, splits=("train", "test")), (0.8, 0.2, 0.0))
    assert splits.names == ("train", "validation", "test")
    assert sorted(read(splits, "train") + read(splits, "validation")) == sorted(documents)
    assert read(splits, "test") == documents
    assert DocumentSplits(Documents(documents, splits=("train",)), (1.0, 0.0, 0.0)).missing == (
        "validation",
        "test",
    )
    with pytest.raises(SourceError, match="there is no test split; available: train"):
        next(DocumentSplits(Documents(documents), (1.0, 0.0, 0.0)).documents("test"))
    with pytest.raises(SourceError, match="the source has no train split; it has test"):
        DocumentSplits(Documents(documents, splits=("test",))).names  # noqa: B018


def test_the_corpus_ends_every_document_and_counts_the_end_as_a_line_end() -> None:
    splits = DocumentSplits(Documents(["ab\n", "ba", "b\n"]), None)
    tokenizer = with_end(CharTokenizer("ab\n"))
    corpus = build_corpus(splits, tokenizer)
    assert corpus.ids("all").tolist() == [2, 3, 4, 3, 2, 4, 3, 4]
    assert tokenizer.decode(corpus.ids("all")) == "abbab"
    counts = corpus.counts["all"]
    assert (counts.tokens, counts.characters, counts.bytes, counts.unknown_characters) == (8, 8, 8, 0)


def test_rows_are_reset_after_an_end() -> None:
    end = 9
    ids = np.array([1, 2, end, 3, end, 4, 5, 6], dtype=np.uint8)
    lanes = Lanes(TokenStream(ids, start_id=end, end_id=end), lanes=1, seq_len=4)
    first, second = lanes
    assert first.inputs.tolist() == [[end, 1, 2, end]]
    assert first.reset is not None
    assert first.reset.tolist() == [[True, False, False, True]]
    assert second.inputs.tolist() == [[3, end, 4, 5]]
    assert second.reset is not None
    assert second.reset.tolist() == [[False, True, False, False]]
    (window,) = Windows(TokenStream(ids, start_id=end, end_id=end), batch_size=2, seq_len=8)
    assert window.reset is not None
    assert window.reset.tolist() == [[True, False, False, True, False, True, False, False]]
    plain = Windows(TokenStream(ids[:2], start_id=0, end_id=end), batch_size=2, seq_len=2)
    assert next(iter(plain)).reset is None


def test_a_document_is_scored_in_a_corpus_as_it_is_alone() -> None:
    torch.manual_seed(0)
    tokenizer = with_end(CharTokenizer("ab"))
    model = seqkit.SequenceModel(RNN(tokenizer.vocab_size, 8), vocab_size=tokenizer.vocab_size)
    ids = build_corpus(DocumentSplits(Documents(["ab", "bba", "a"]), None), tokenizer).ids("all")
    lanes = Lanes(
        TokenStream(ids, start_id=tokenizer.start_id, end_id=tokenizer.end_id), lanes=1, seq_len=len(ids)
    )
    (batch,) = lanes
    with torch.no_grad():
        outputs, _ = model(batch.inputs, None, batch.reset)
        nats = model.head.loss(outputs[0], batch.targets[0]) / np.log(2)
    for text, start in (("ab", 0), ("bba", 3), ("a", 7)):
        alone = seqkit.score(model, tokenizer, text).surprisal
        np.testing.assert_allclose(nats[start : start + len(text)].numpy(), alone, rtol=1e-5)
