import pytest

import seqkit
from seqkit.errors import RecipeError, SourceError
from seqkit.sources import Strings
from seqkit.sources.base import MAX_PIECE_BYTES
from seqkit.testing import SourceCase, run_checks

TEXTS = [f"{number} is a text that says {number * number}." for number in range(300)]


def test_each_text_is_a_document_that_ends_a_line() -> None:
    source = Strings(["one", "two\n", "", "three\nlines"])
    assert source.splits == ("all",)
    assert list(source.documents()) == ["one\n", "two\n", "three\nlines\n"]
    assert source.notes == ("empty texts: 1 of 4, left out",)
    assert Strings(["one"]).notes == ()


def test_splits() -> None:
    source = Strings({"test": ["t"], "train": ["a", "b"]})
    assert source.splits == ("train", "test")
    assert list(source.documents("train")) == ["a\n", "b\n"]
    with pytest.raises(SourceError, match="no split 'validation'; the source has train, test"):
        list(source.pieces("validation"))
    with pytest.raises(SourceError, match="the splits of the source strings are .* got trian"):
        Strings({"trian": ["a"]})


def test_long_texts_are_cut() -> None:
    pieces = list(Strings(["ж" * 700_000]).pieces())
    assert max(len(piece.text.encode()) for piece in pieces) <= MAX_PIECE_BYTES
    assert [piece.ends_document for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_mistakes() -> None:
    with pytest.raises(SourceError, match="is a single string, and must be a list"):
        Strings("one")
    with pytest.raises(SourceError, match="has no text for the split 'all'"):
        Strings([])
    with pytest.raises(SourceError, match="has no text for the split 'test'"):
        Strings({"train": ["a"], "test": [""]})


def test_it_keeps_the_contract_of_a_source() -> None:
    case = SourceCase(
        "strings",
        texts=TEXTS,
        missing={"texts": []},
        expected_failures={"fingerprint_follows_the_data": "the texts are the config itself"},
    )
    report = run_checks(case)
    assert report.passed, report


@pytest.mark.ci
def test_a_recipe_holds_the_texts_and_a_run_opens_without_them() -> None:
    recipe = seqkit.Recipe(
        source={"use": "strings", "texts": TEXTS},
        data={"documents": "apart"},
        cell={"use": "rnn", "hidden_size": 8},
        train={"steps": 2, "batch_size": 4, "seq_len": 8},
    )
    run = seqkit.train(recipe, "out")
    again = seqkit.load("out")
    assert again.evaluate("test") == run.evaluate("test")
    assert run.provenance["data"]["splits"]["train"]["characters"] > 5000
    with pytest.raises(RecipeError, match="source.texts: "):
        recipe.override(["source.texts=[3]"]).resolve()
