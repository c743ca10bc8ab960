"""The text of every warning: its figure, its remedy, and the override that applies it."""

import random
from pathlib import Path

import pytest

import seqkit
from seqkit import resources
from seqkit.planning import Plan, plan

pytestmark = pytest.mark.ci  # each of them times a training


def only(found: Plan, kind: str) -> str:
    """The one warning of that kind."""
    (warning,) = [warning for warning in found.warnings if warning.startswith(f"{kind}: ")]
    assert "\n" not in warning
    return warning


def kinds(found: Plan) -> set[str]:
    return {warning.partition(":")[0] for warning in found.warnings}


@pytest.fixture
def large_text() -> str:
    """170,000 characters: enough for a small network."""
    draw = random.Random(0)
    letters = "etaoinshrdlucm"
    path = Path("large.txt")
    path.write_text("".join(" ".join(draw.choices(letters, k=15)) + ".\n" for _ in range(5500)), "ascii")
    return str(path)


@pytest.fixture
def words_text() -> str:
    """Words with the frequencies of natural words: about 2,500, most of which occur once or twice."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(4000)]
    weights = [1 / (rank + 1) for rank in range(4000)]
    path = Path("words.txt")
    path.write_text(
        "".join(" ".join(draw.choices(words, weights, k=10)) + ".\n" for _ in range(1500)), "ascii"
    )
    return str(path)


def test_a_recipe_that_suits_its_text_has_none(tiny_recipe: seqkit.Recipe, large_text: str) -> None:
    changes = ["~train.steps", "train.epochs=1", "cell.hidden_size=32"]
    found = plan(tiny_recipe.with_data(large_text).override(changes))
    assert found.warnings == ()
    assert found.overrides == ()
    assert found.sizes == {
        "cell.hidden_size": 32,
        "model.dropout": 0.0,
        "train.batch_size": 8,
        "train.seq_len": 20,
    }


class TestData:
    def test_tiny(self, tiny_recipe: seqkit.Recipe) -> None:
        found = plan(tiny_recipe)
        tokens = found.splits["train"].tokens
        assert only(found, "tiny data").startswith(
            f"tiny data: {tokens:,} tokens for training; little is learned"
        )
        assert "fewer than 100,000: more text" in only(found, "tiny data")

    def test_a_cell_that_memorises_it(self, tiny_recipe: seqkit.Recipe) -> None:
        found = plan(tiny_recipe.override(["cell.hidden_size=640", "~train.steps", "train.epochs=20"]))
        size, dropout = [warning for warning in found.warnings if warning.startswith("overfitting: ")]
        share = found.cell_parameters / found.splits["train"].tokens
        assert size.startswith(f"overfitting: {share:.0f} parameters of the cell for each token")
        assert size.endswith("cell.hidden_size=384 has at most 10.")
        assert "which is read 20 times: model.dropout=0.25." in dropout  # for 384 units
        assert {"cell.hidden_size=384", "model.dropout=0.25"} <= set(found.overrides)

    def test_dropout_is_for_text_that_is_read_often(self, tiny_recipe: seqkit.Recipe) -> None:
        large = tiny_recipe.override(["cell.hidden_size=300", "~train.steps"])
        assert plan(large.override(["train.epochs=20"])).sizes["model.dropout"] == 0.25
        assert plan(large.override(["train.epochs=2"])).sizes["model.dropout"] == 0
        given = large.override(["train.epochs=20", "model.dropout=0.4"])
        assert plan(given).sizes["model.dropout"] == 0.4
        assert "overfitting" not in kinds(plan(given))

    def test_few_steps_per_epoch(self, tiny_recipe: seqkit.Recipe) -> None:
        large = tiny_recipe.override(["train.batch_size=64", "train.seq_len=400"])
        found = plan(large)
        tokens, steps, lanes = found.splits["train"].tokens, found.steps_per_epoch, found.batch_size
        warning = next(warning for warning in found.warnings if " steps per epoch" in warning)
        assert warning == (
            f"short split: {tokens:,} tokens for training give {steps} steps per epoch, each of {lanes} x "
            "400: train.batch_size=4 train.seq_len=100."
        )
        assert (steps, lanes < 64) == (2, True)  # the text is too short for 64 lanes
        sizes = ["train.batch_size=4", "train.seq_len=100"]
        assert set(sizes) <= set(found.overrides)
        assert plan(large.override(sizes)).steps_per_epoch >= 20


class TestHeldOutSplits:
    def test_shorter_than_the_lanes(self, tiny_recipe: seqkit.Recipe) -> None:
        found = plan(tiny_recipe.override(["train.seq_len=100"]))
        warnings = [warning for warning in found.warnings if "is imprecise" in warning]
        assert warnings == [
            f"short split: {found.splits[split].tokens} tokens for {split}, fewer than 16 x 100 (lanes x "
            "train.seq_len), so its loss is imprecise: data.split=0.8,0.1,0.1."
            for split in ("validation", "test")
        ]
        assert found.overrides.count("data.split=0.8,0.1,0.1") == 1

    def test_shorter_than_a_window(self, tiny_recipe: seqkit.Recipe) -> None:
        wide = tiny_recipe.override(["train.seq_len=3000", "train.batch_size=2", "data.split=0.8,0.1,0.1"])
        found = plan(wide)
        assert "fewer than 1 x 3000 (one window x train.seq_len)" in found.warnings[-1]
        assert found.warnings[-1].endswith("so its loss is imprecise: more text.")

    def test_no_validation(self, tiny_recipe: seqkit.Recipe, text_file: Path) -> None:
        found = plan(tiny_recipe.override(["data.split=[1,0,0]"]))
        assert only(found, "no validation split").endswith(
            "the last weights are kept, not the best: data.split=0.8,0.1,0.1."
        )
        assert "data.split=0.8,0.1,0.1" in found.overrides
        own = tiny_recipe.with_data({"train": str(text_file)}).override(["data.split=[1,0,0]"])
        assert only(plan(own), "no validation split").endswith("not the best: give the source one.")


class TestVocabulary:
    def test_rare_words(self, tiny_recipe: seqkit.Recipe, words_text: str) -> None:
        recipe = tiny_recipe.with_data(words_text).override(["tokenizer.use=word", "model.encoder=embedding"])
        found = plan(recipe)
        vocabulary = found.vocabulary
        assert found.warnings[-1] != ""
        rare = next(warning for warning in found.warnings if "fewer than 5 times" in warning)
        assert rare.startswith(
            f"large vocabulary: {vocabulary.rare:,} of {vocabulary.size:,} tokens occur in"
        )
        assert rare.endswith("tokenizer.min_count=5 tokenizer.unknown=spell.")
        changed = plan(recipe.override(["tokenizer.min_count=5", "tokenizer.unknown=spell"]))
        assert changed.vocabulary.size < vocabulary.size - vocabulary.rare + 60  # 60: characters
        assert "large vocabulary" not in kinds(changed)
        assert sum(counts.unknown_characters for counts in changed.splits.values()) == 0

    def test_a_head_that_is_most_of_the_model(self, tiny_recipe: seqkit.Recipe, words_text: str) -> None:
        word = [
            "tokenizer.use=word",
            "model.encoder=embedding",
            "model.embedding_size=4",
            "cell.hidden_size=64",
        ]
        found = plan(tiny_recipe.with_data(words_text).override(word))
        share = found.head_parameters / found.parameters
        head = next(warning for warning in found.warnings if "the head has" in warning)
        assert head == (
            f"large vocabulary: the head has {share:.0%} of the parameters, for {found.vocabulary.size:,} "
            "tokens: tokenizer.max_vocab=1000."
        )
        assert "tokenizer.max_vocab=1000" in found.overrides

    def test_one_hot_words(self, tiny_recipe: seqkit.Recipe, words_text: str) -> None:
        found = plan(tiny_recipe.with_data(words_text).override(["tokenizer.use=word"]))
        one_hot = next(warning for warning in found.warnings if "one-hot" in warning)
        assert one_hot == (
            f"large vocabulary: the cell reads one-hot rows of {found.vocabulary.size:,} features: "
            "model.encoder=embedding has 64."
        )
        assert "model.encoder=embedding" in found.overrides

    def test_rare_characters(self, tiny_recipe: seqkit.Recipe) -> None:
        Path("many.txt").write_text(
            "".join(chr(0x4E00 + i) for i in range(1500)) + "\n" + "a" * 3000, "utf-8"
        )
        recipe = tiny_recipe.with_data("many.txt").override(["data.split=[0.5,0.5,0.0]"])
        rare = next(warning for warning in plan(recipe).warnings if "fewer than 5 times" in warning)
        assert rare.endswith("fewer than 5 times: more text, or tokenizer.use=byte.")

    def test_the_tokens_of_a_tokenizer_with_a_size(self, tiny_recipe: seqkit.Recipe, words_text: str) -> None:
        recipe = tiny_recipe.with_data(words_text).override(
            ["tokenizer.use=bpe", "tokenizer.vocab_size=6000"]
        )
        found = plan(recipe, plugins=["seqkit_subword"])
        common = found.vocabulary.size - found.vocabulary.rare
        assert f"tokenizer.vocab_size={common}" in found.overrides


class TestUnknownCharacters:
    def test_characters(self, tiny_recipe: seqkit.Recipe, text_file: Path) -> None:
        text_file.write_text(text_file.read_text() + "ß é\n")
        found = plan(tiny_recipe)
        assert only(found, "unknown characters") == (
            f"unknown characters: 2 of {found.splits['test'].characters:,} in test; each costs 20.1 bits "
            "more: a training text that has them."
        )

    def test_words_can_be_spelled(self, tiny_recipe: seqkit.Recipe, text_file: Path) -> None:
        text_file.write_text(text_file.read_text() + "the tac\n")
        found = plan(tiny_recipe.override(["tokenizer.use=word"]))
        assert only(found, "unknown characters") == (
            f"unknown characters: 3 of {found.splits['test'].characters:,} in test; each costs 20.1 bits "
            "more: tokenizer.unknown=spell."
        )
        assert "tokenizer.unknown=spell" in found.overrides


class TestBudget:
    def test_less_than_an_epoch(self, tiny_recipe: seqkit.Recipe, large_text: str) -> None:
        found = plan(tiny_recipe.with_data(large_text))
        warning = only(found, "short budget")
        assert warning.startswith(
            f"short budget: 30 steps read {30 / found.steps_per_epoch:.1%} of the training text: "
        )
        assert "train.steps=none train.epochs=1 reads all of it, in " in warning

    def test_a_cell_that_is_too_large_for_the_time(self, tiny_recipe: seqkit.Recipe, large_text: str) -> None:
        changes = ["~train.steps", "train.epochs=1", "cell.hidden_size=256"]
        found = plan(tiny_recipe.with_data(large_text).override(changes))
        read = found.splits["train"].tokens / found.cell_parameters
        assert only(found, "short budget") == (
            f"short budget: {read:.2g} tokens are read for each parameter of the cell, and 100 would be "
            "best: cell.hidden_size=96, or more time."
        )
        assert "cell.hidden_size=96" in found.overrides

    def test_hundreds_of_epochs(self, tiny_recipe: seqkit.Recipe) -> None:
        long = tiny_recipe.override(["~train.steps", "train.epochs=300"])
        assert only(plan(long), "long budget") == (
            "long budget: 300 epochs read the training text 300 times: train.patience=10."
        )
        assert "train.patience=10" in plan(long).overrides
        assert "long budget" not in kinds(plan(long.override(["train.patience=5"])))
        unwatched = plan(tiny_recipe.override(["train.steps=99999", "data.split=[1,0,0]"]))
        assert only(unwatched, "long budget").endswith("times: train.steps=none train.epochs=30.")


class TestMemory:
    def test_near_the_memory_of_the_machine(
        self, tiny_recipe: seqkit.Recipe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resources, "available", lambda: 1.0)
        found = plan(tiny_recipe.override(["cell.hidden_size=256"]))
        assert only(found, "memory").endswith(
            "MB of the 1 MB available: train.batch_size=4 takes about half."
        )
        assert "train.batch_size=4" in found.overrides
        one = plan(tiny_recipe.override(["cell.hidden_size=256", "train.batch_size=1"]))
        assert only(one, "memory").endswith("train.seq_len=10 takes about half.")
