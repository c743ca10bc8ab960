"""A key without an effect, because of another key, is a fault if it is given by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqkit
from seqkit import Recipe
from seqkit.errors import RecipeError
from seqkit.recipe.needs import NEEDS
from seqkit.recipe.tables import TABLES
from seqkit.registry import Registry
from tests.conftest import sign_again
from tests.recipe.test_recipe import SMALL, faults, write

SERIES = """
[source]
use = "synthetic"

[series]

[cell]
use = "rnn"
"""

CASES = [
    (SMALL, "model.embedding_size=32", "model.encoder=embedding", "one_hot"),
    (SMALL, "model.encoder_dropout=0.1", "model.encoder=embedding or raw", "one_hot"),
    (SMALL, "train.momentum=0.9", "train.optimizer=sgd or rmsprop", "adamw"),
    (SMALL, "train.final_fraction=0.1", "train.schedule=linear or cosine", "constant"),
    (SMALL, "data.seed=3", "data.documents=apart or lines", "joined"),
    (SERIES, "series.paths=50", "series.horizon=2 or more", "1"),
    (SERIES, "source.phi=0.3", "source.process=ar1", "random_walk"),
]


@pytest.mark.parametrize(("text", "override", "needs", "has"), CASES)
def test_a_key_without_effect_is_a_fault_with_its_place(
    text: str, override: str, needs: str, has: str
) -> None:
    key, _, value = override.partition("=")
    recipe = Recipe.load(write(text))
    said = f"{key}: needs {needs}, and has no effect with {has}"
    assert faults(recipe.override([override])) == [f"{said} (override {override!r})"]
    table, _, name = key.partition(".")
    changed = text.replace(f"[{table}]", f"[{table}]\n{name} = {value}")
    changed = changed if changed != text else f"{text}\n[{table}]\n{name} = {value}\n"
    line = changed.splitlines().index(f"{name} = {value}") + 1
    of_file = Recipe.load(write(changed))
    assert faults(of_file) == [f"{said} (small.toml:{line}); {key}=none leaves it out"]
    of_file.override([f"{key}=none"]).resolve()


@pytest.mark.parametrize(("text", "override", "needs", "has"), CASES)
def test_with_what_it_needs_it_is_not_a_fault(text: str, override: str, needs: str, has: str) -> None:
    wanted = needs.partition(" or ")[0]
    Recipe.load(write(text)).override([wanted, override]).resolve()


def test_of_several_one_is_enough() -> None:
    recipe = Recipe.load(write(SMALL)).override(["model.dropout=0.1", "model.head=none"])
    (fault,) = faults(recipe)
    assert fault == (
        "model.dropout: needs model.encoder=embedding or raw, or model.layers=2 or more, or "
        "model.head=linear or point or gaussian or student_t or quantile, and has no effect with one_hot, "
        "1, none (override 'model.dropout=0.1')"
    )
    for enough in ("model.encoder=embedding", "model.layers=2", "model.head=linear"):
        recipe.override([enough]).resolve()
    dates = Recipe.load(write(SERIES)).override(
        ["series.validation_from=2005-01-03", "series.split=0.6,0.2,0.2"]
    )
    dates.resolve()
    (fault,) = faults(dates.override(["series.test_from=2008-01-01"]))
    assert fault.startswith(
        "series.split: needs no series.validation_from, or no series.test_from, and has no"
    )


def test_a_fault_of_the_other_key_is_reported_alone() -> None:
    (fault,) = faults(Recipe.load(write(SMALL)).override(["train.optimizer=adam", "train.momentum=0.9"]))
    assert fault.startswith("train.optimizer: should be")


def test_a_default_that_seqkit_wrote_is_not_a_fault() -> None:
    resolved = Recipe.load(write(SMALL)).resolve()
    assert resolved.tables()["train"]["momentum"] == 0
    resolved.save("all.toml")
    Recipe.load("./all.toml").resolve()
    Recipe.load("./all.toml").override(["train.schedule=linear"]).resolve()
    resolved.override(["train.schedule=cosine"]).resolve()
    momentum = Recipe.load("./all.toml").override(["train.optimizer=sgd", "train.momentum=0.9"])
    changed = momentum.resolve().override(["train.optimizer=adamw"])  # as a control changes a recipe
    assert changed.resolve().train.momentum == 0.9
    assert len(faults(changed.override(["train.momentum=0.5"]))) == 1
    assert len(faults(momentum.override(["train.optimizer=adamw"]))) == 1
    assert len(faults(Recipe.load("./all.toml").override(["train.momentum=0.0"]))) == 1  # by hand


def test_a_run_that_was_trained_with_one_still_opens(tiny_recipe: seqkit.Recipe) -> None:
    run = seqkit.train(tiny_recipe.override(["train.steps=1"]), "out")
    path = run.path / "recipe.toml"
    path.write_text(path.read_text().replace("momentum = 0.0", "momentum = 0.9"))
    for place in (run.path / "checkpoints").iterdir():
        sign_again(place)
    assert seqkit.load("out").recipe.train.momentum == 0.9
    Recipe.load("./out").resolve()
    mine = Path("mine/recipe.toml")
    mine.parent.mkdir()
    mine.write_text(path.read_text())
    with pytest.raises(RecipeError, match="train.momentum: needs"):
        Recipe.load("mine/recipe.toml").resolve()


def test_the_table_names_existing_keys() -> None:
    for need in NEEDS:
        for key in (need.key, *need.any_of):
            table, _, name = key.partition(".")
            config = TABLES.get(table, need.of)
            assert name in config.model_fields, key


def test_every_recipe_that_ships_is_valid() -> None:
    registry = Registry()
    for name in registry.names("recipe"):
        seqkit.Recipe.load(name, registry).resolve(registry)
