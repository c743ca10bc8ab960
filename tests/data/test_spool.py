"""Making a corpus reads the text once from its source, in addition to its fingerprint."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqkit
from seqkit.data import DocumentSplits, TextSplits
from seqkit.data.spool import spooled
from seqkit.plugin import Piece, SourceConfig, SourcePlugin, TextSource


class Counting(TextSource):
    """Counts how often its text is read."""

    def __init__(self, text: str = "") -> None:
        self.text = text or "the quick fox\nis \ud800 in the hut\n" * 200
        self.readings = 0

    fingerprint = "counting"

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        self.readings += 1
        for start in range(0, len(self.text), 700):
            yield Piece(self.text[start : start + 700], start + 700 >= len(self.text))


@pytest.mark.parametrize("kind", [TextSplits, DocumentSplits])
def test_it_is_the_same_text(kind: type) -> None:
    source = Counting()
    options = {"lines": True} if kind is DocumentSplits else {}
    plain, once = kind(source, **options), kind(source, **options)
    expected = {split: list(plain.texts(split)) for split in plain.names}
    source.readings = 0
    with spooled(once):
        assert {split: list(once.texts(split)) for split in once.names} == expected
        walked = ["".join(document) for _, document in once.walk()]
    assert source.readings == 1
    assert walked == ["".join(document) for _, document in plain.walk()]
    assert "".join(once.texts("train")) == "".join(expected["train"])  # afterwards from the source again
    assert source.readings > 1


class NoConfig(SourceConfig):
    """A config without settings."""


@pytest.mark.parametrize("documents", ["joined", "lines"])
@pytest.mark.ci
def test_a_run_reads_its_text_once(documents: str, tiny_recipe: seqkit.Recipe) -> None:
    source = Counting("".join(f"the quick fox is in the hut {row % 97}\n" for row in range(600)))
    plugin = SourcePlugin("counting", NoConfig, lambda: source, gives=TextSource)
    recipe = tiny_recipe.override(["source.use=counting", f"data.documents={documents}", "train.steps=2"])
    seqkit.train(recipe, "run", plugins=[plugin])
    assert source.readings == 1
    seqkit.train(recipe, "again", plugins=[plugin])
    assert source.readings == 1  # its corpus is in the cache


def test_files_are_read_twice_with_their_fingerprint(
    tiny_recipe: seqkit.Recipe, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    plain = Path.open

    def counting(self: Path, *arguments: object, **options: object) -> object:
        if self == text_file:
            opened.append(self)
        return plain(self, *arguments, **options)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(Path, "open", counting)
    seqkit.train(tiny_recipe.override(["train.steps=2"]), "run")
    assert len(opened) <= 2


def test_nothing_is_left(workdir: Path) -> None:
    folder = Path(os.environ["SEQKIT_CACHE"]) / "texts"
    old = folder / "old"
    old.mkdir(parents=True)
    os.utime(old, (time.time() - 1e6, time.time() - 1e6))
    splits = TextSplits(Counting())
    with spooled(splits):
        assert list(splits.texts("train"))
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []


def test_without_room_for_a_copy_the_source_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Counting()
    splits = TextSplits(source)
    expected = list(splits.texts("train"))
    for failing in ("open", "mkdir"):
        source.readings = 0
        with pytest.MonkeyPatch.context() as patch, spooled(TextSplits(source)):
            fresh = TextSplits(source)
            with spooled(fresh):
                patch.setattr(Path, failing, _full)
                assert "".join(fresh.texts("train")) == "".join(expected)
        assert source.readings > 1


def test_a_cache_that_has_the_corpus_is_only_read(tiny_recipe: seqkit.Recipe) -> None:
    run = seqkit.train(tiny_recipe.override(["train.steps=2"]), "run")
    folder = Path(os.environ["SEQKIT_CACHE"]) / "texts"
    folder.rmdir()
    run.evaluate()
    assert not folder.exists()


def test_another_process_removes_its_folder_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["SEQKIT_CACHE"]) / "texts"
    folder.mkdir(parents=True)
    gone = folder / "gone"
    monkeypatch.setattr(Path, "iterdir", lambda self: iter([gone]))
    splits = TextSplits(Counting())
    with spooled(splits):
        assert list(splits.texts("train"))


def _full(*arguments: object, **options: object) -> object:
    raise OSError(28, "No space left on device")
