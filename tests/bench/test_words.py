import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import seqkit
from seqkit.bench.ngram import NGram, perplexity
from seqkit.bench.words import measure
from seqkit.cli import cli
from seqkit.data import DocumentSplits, TextSplits
from seqkit.errors import SourceError
from seqkit.sources import TextFiles

REDUCED = [
    "train.steps=4",
    "train.batch_size=4",
    "train.seq_len=20",
    "cell.hidden_size=8",
    "model.embedding_size=8",
]

pytestmark = pytest.mark.ci


@pytest.fixture
def words(text_file: Path) -> seqkit.Recipe:
    return seqkit.Recipe.load("words").with_data(text_file).override(REDUCED)


@pytest.mark.ci
def test_both_read_the_same_ids_of_the_same_split(words: seqkit.Recipe, text_file: Path) -> None:
    result = measure(words.override(["data.split=[0.8,0.1,0.1]"]), out="out")
    run = seqkit.load("out/seed-0")
    splits = TextSplits(TextFiles(str(text_file)), (0.8, 0.1, 0.1))
    ids = {split: run.tokenizer.encode("".join(splits.texts(split))) for split in splits.names}
    assert list(result["splits"]) == ["validation", "test"]
    for split, compared in result["splits"].items():
        assert compared["tokens"] == len(ids[split])
        own = run.evaluate(split)
        assert compared["recipe"]["perplexity"] == pytest.approx(own["perplexity"])
        assert compared["recipe"]["bits_per_char"] == pytest.approx(own["bits_per_char"])
        for name, order in (("trigram", 3), ("5-gram", 5)):
            expected = perplexity(
                ids["train"],
                ids[split],
                run.tokenizer.vocab_size,
                order=order,
                start_id=run.tokenizer.start_id,
            )
            assert compared["ngrams"][name]["perplexity"] == pytest.approx(expected)
            assert compared["ratios"][name] == pytest.approx(own["perplexity"] / expected)
    assert json.loads(Path("out/words.json").read_text()) == result


def test_documents_apart_are_counted_apart(words: seqkit.Recipe, text_file: Path) -> None:
    result = measure(words.override(["data.documents=lines"]), out="out")
    run = seqkit.load("out/seed-0")
    splits = DocumentSplits(TextFiles(str(text_file)), (0.9, 0.1, 0.0), lines=True)
    end = run.tokenizer.end_id
    assert end is not None
    ids = {
        split: np.concatenate(
            [[*run.tokenizer.encode("".join(document)), end] for document in splits.documents(split)]
        )
        for split in splits.names
    }
    model = NGram(ids["train"], run.tokenizer.vocab_size, start_id=end, end_id=end)
    found = result["splits"]["validation"]["ngrams"]["trigram"]["loss"]
    assert found == pytest.approx(model.nats(ids["validation"]).mean())


def test_several_seeds_have_a_mean_and_an_interval(words: seqkit.Recipe) -> None:
    seeds: list[int] = []
    result = measure(words, seeds=2, out="out", callbacks=lambda seed: seeds.append(seed) or ())  # type: ignore[func-returns-value]
    assert seeds == [0, 1]
    own = result["splits"]["validation"]["recipe"]
    losses = [seqkit.load(f"out/seed-{seed}").evaluate("validation")["loss"] for seed in seeds]
    assert own["losses"] == pytest.approx(losses)
    assert losses[0] != losses[1]
    assert own["perplexity"] == pytest.approx(math.exp(sum(losses) / 2))
    low, high = own["perplexity_interval_95"]
    assert low < own["perplexity"] < high


def test_without_another_split_there_is_nothing_to_compare_on(words: seqkit.Recipe) -> None:
    with pytest.raises(SourceError, match="no validation or test split to compare on"):
        measure(words.override(["data.split=[1,0,0]"]), out="out")
    assert not Path("out").exists()


def test_the_recipe_runs_with_no_file_of_the_users() -> None:
    """The recipe as it ships, except for the size and the budget."""
    arguments = ["bench", "words", "--out", "out", *REDUCED, "train.steps=2"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["validation", "trigram"],
        ["validation", "5-gram"],
        ["validation", "words"],
    ]
    assert "of the trigram" in lines[3]
    run = seqkit.load("out/seed-0")
    assert run.recipe.cell.use == "rnn"
    assert run.generate("The ", max_tokens=5)


def test_json_is_one_document(text_file: Path) -> None:
    arguments = ["bench", "words", "--data", str(text_file), "--json", *REDUCED]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    result = json.loads(done.stdout)
    assert result["path"] == "runs/bench-words"
    assert 1 < result["splits"]["validation"]["ngrams"]["trigram"]["perplexity"] < 3
