from collections.abc import Iterator
from pathlib import Path

import pytest

from seqkit.data import DocumentSplits, TextSplits, build_corpus
from seqkit.data.split import Splits
from seqkit.errors import SourceError, UnknownCharacterError
from seqkit.sources import Piece, TextSource
from seqkit.tokenizers import CharTokenizer, WordTokenizer
from seqkit.tokenizers.base import Ids
from seqkit.tokenizers.documents import with_end

TEXT = "".join(f"line {i} of a text\n" for i in range(600))


class Failing(TextSource):
    """A source whose connection is lost after a given number of pieces."""

    fingerprint = "failing"
    fails_at: int | None = None

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        for index, start in enumerate(range(0, len(TEXT), 100)):
            if index == self.fails_at:
                raise SourceError("the connection is lost")
            yield Piece(TEXT[start : start + 100], start + 100 >= len(TEXT))


class Counting(CharTokenizer):
    encoded = 0

    def encode(self, text: str) -> Ids:
        type(self).encoded += len(text)
        return super().encode(text)


@pytest.mark.parametrize("apart", [False, True])
def test_a_stopped_process_is_continued(apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqkit.data.writing.SAVE_EVERY", 1000)
    monkeypatch.setattr("seqkit.data.writing.BATCH", 100)
    source = Failing()

    def splits() -> Splits:
        return DocumentSplits(source, lines=True) if apart else TextSplits(source, (0.8, 0.1, 0.1))

    def corpus_of(folder: str) -> dict[str, list[int]]:
        corpus = build_corpus(splits(), tokenizer, Path(folder))
        assert not (corpus.path / "progress.json").exists()
        return {split: corpus.ids(split).tolist() for split in corpus.counts}

    plain = Counting.train([TEXT])
    tokenizer = with_end(plain) if apart else plain
    expected = corpus_of("whole")
    stopped = splits()
    assert stopped.names  # the cuts are found before the connection is lost
    list(stopped.walk()) if not apart else [list(document) for _, document in stopped.walk()]
    source.fails_at = 70
    with pytest.raises(SourceError, match="connection"):
        build_corpus(stopped, tokenizer, Path("stopped"))
    source.fails_at, Counting.encoded = None, 0
    assert corpus_of("stopped") == expected
    assert Counting.encoded < len(TEXT) - 5500


def test_the_progress_is_reported(text_file: Path) -> None:
    reported: list[tuple[int, int | None]] = []
    splits = TextSplits(Failing())
    build_corpus(splits, CharTokenizer.train([TEXT]), on_progress=lambda *progress: reported.append(progress))
    assert reported[-1] == (len(TEXT), len(TEXT))
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)
    apart = DocumentSplits(Failing(), lines=True)
    build_corpus(apart, with_end(CharTokenizer.train([TEXT])), on_progress=lambda *p: reported.append(p))
    assert reported[-1] == (len(TEXT), len(TEXT))


@pytest.mark.parametrize("apart", [False, True])
def test_several_processes_write_the_same(apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def ids_of(folder: str) -> dict[str, list[int]]:
        splits = DocumentSplits(Failing(), lines=True) if apart else TextSplits(Failing())
        corpus = build_corpus(splits, tokenizer, Path(folder))
        return {split: corpus.ids(split).tolist() for split in corpus.counts}

    word = WordTokenizer.train([TEXT], min_count=5)
    tokenizer = with_end(word) if apart else word
    monkeypatch.setattr("seqkit.data.writing.BATCH", 500)
    expected = ids_of("one")
    used = []
    monkeypatch.setattr("seqkit.data.writing.PARALLEL_FROM", 1000)
    monkeypatch.setattr("seqkit.data.writing.processes_here", lambda: used.append(2) or 2)
    assert ids_of("two") == expected
    assert used == [2]


def test_an_unknown_character_is_reported_with_its_position_in_the_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seqkit.data.writing.BATCH", 50)
    tokenizer = CharTokenizer(TEXT.replace("9", ""), errors="strict")
    place = TEXT.index("9")
    with pytest.raises(UnknownCharacterError, match=rf"'9' .* at position {place} of the train split"):
        build_corpus(TextSplits(Failing(), (1.0, 0.0, 0.0)), tokenizer)
