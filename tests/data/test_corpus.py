from pathlib import Path

import numpy as np
import pytest

from seqkit.caching import cache_dir
from seqkit.data import TextSplits, build_corpus
from seqkit.errors import SourceError, UnknownCharacterError
from seqkit.sources import TextFiles
from seqkit.tokenizers import CharTokenizer


@pytest.fixture
def splits(text_file: Path) -> TextSplits:
    return TextSplits(TextFiles(text_file))


def test_the_ids_are_those_of_the_text(splits: TextSplits) -> None:
    tokenizer = CharTokenizer.train(splits.texts("train"))
    corpus = build_corpus(splits, tokenizer)
    for split in ("train", "validation", "test"):
        text = "".join(splits.texts(split))
        assert tokenizer.decode(corpus.ids(split)) == text
        counts = corpus.counts[split]
        assert (counts.tokens, counts.characters, counts.bytes) == (len(text), len(text), len(text.encode()))
        assert counts.unknown_characters == 0
    assert corpus.ids("train").dtype == np.uint8


def test_notes_on_the_text_are_kept_with_it(workdir: Path) -> None:
    Path("a.txt").write_bytes(b"one\xff\ntwo\n")
    for _ in range(2):  # from the text, then from the cache
        source = TextFiles("a.txt", on_error="replace")
        corpus = build_corpus(TextSplits(source, None), CharTokenizer("onetw\n"))
        assert corpus.notes == ("a.txt: 1 invalid utf-8 sequences are read as U+FFFD",)


def test_it_is_made_once(splits: TextSplits) -> None:
    tokenizer = CharTokenizer.train(splits.texts("train"))
    first = build_corpus(splits, tokenizer)
    made = (first.path / "train.bin").stat().st_mtime_ns
    assert build_corpus(splits, tokenizer).path == first.path
    assert (first.path / "train.bin").stat().st_mtime_ns == made


def test_another_text_split_or_tokenizer_is_another_corpus(text_file: Path, splits: TextSplits) -> None:
    tokenizer = CharTokenizer.train(splits.texts("train"))
    paths = {
        build_corpus(splits, tokenizer).path,
        build_corpus(splits, CharTokenizer("abc")).path,
        build_corpus(TextSplits(splits.source, (0.5, 0.5, 0.0)), tokenizer).path,
    }
    text_file.write_text(text_file.read_text() + "more\n")
    paths.add(build_corpus(TextSplits(TextFiles(text_file)), tokenizer).path)
    assert len(paths) == 4


def test_what_a_killed_process_left_is_not_used(splits: TextSplits) -> None:
    tokenizer = CharTokenizer.train(splits.texts("train"))
    complete = build_corpus(splits, tokenizer)
    partial = complete.path.with_name(complete.path.name + ".partial")
    complete.path.rename(partial)
    (partial / "train.bin").write_bytes(b"\0")
    again = build_corpus(splits, tokenizer)
    assert tokenizer.decode(again.ids("train")) == "".join(splits.texts("train"))
    assert not partial.exists()


@pytest.mark.parametrize("damage", ["delete", "truncate", "description"])
def test_a_corpus_that_lost_a_part_is_made_again(splits: TextSplits, damage: str) -> None:
    tokenizer = CharTokenizer.train(splits.texts("train"))
    path = build_corpus(splits, tokenizer).path
    if damage == "delete":
        (path / "train.bin").unlink()
    elif damage == "truncate":
        (path / "train.bin").write_bytes(b"123")
    else:
        (path / "corpus.json").write_text("{")
    assert tokenizer.decode(build_corpus(splits, tokenizer).ids("train")) == "".join(splits.texts("train"))


def test_a_strict_tokenizer_raises_regardless_of_the_cache(workdir: Path) -> None:
    Path("a.txt").write_text("ab\n" * 100 + "☃\n")
    splits = TextSplits(TextFiles("a.txt"))
    build_corpus(splits, CharTokenizer.train(splits.texts("train")))
    strict = CharTokenizer.train(splits.texts("train"), errors="strict")
    with pytest.raises(UnknownCharacterError, match="'☃'.* at position \\d+ of the test split"):
        build_corpus(splits, strict)


def test_unknown_characters_are_counted(text_file: Path) -> None:
    splits = TextSplits(TextFiles(text_file), None)
    corpus = build_corpus(splits, CharTokenizer("abcdefghijklmnopqrstuvwxyz"))
    text = text_file.read_text()
    assert corpus.counts["all"].unknown_characters == sum(not c.isalpha() for c in text)


def test_an_empty_split_has_no_ids(workdir: Path) -> None:
    Path("a.txt").write_text("ab")
    splits = TextSplits(TextFiles("a.txt"))
    corpus = build_corpus(splits, CharTokenizer("ab"))
    assert len(corpus.ids("test")) == corpus.counts["test"].tokens == 0


def test_a_cache_that_cannot_be_written_is_an_error(splits: TextSplits, workdir: Path) -> None:
    Path("taken").write_text("")
    with pytest.raises(SourceError, match=r"the cache taken/corpora cannot be written.*\n.*SEQKIT_CACHE"):
        build_corpus(splits, CharTokenizer("ab"), Path("taken"))


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQKIT_CACHE", "/somewhere")
    assert cache_dir() == Path("/somewhere")
    monkeypatch.delenv("SEQKIT_CACHE")
    assert cache_dir().name == "seqkit"
