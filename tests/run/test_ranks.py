"""Runs that several processes train."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqkit
from seqkit.run import rundir
from tests.ranks import together


def trained(recipe: Any, out: str, *plugins: str) -> Any:
    run = seqkit.train(recipe, out, plugins=plugins)
    return {name: value.numpy() for name, value in run.model.state_dict().items()}


def continued(out: str, overrides: list[str], *plugins: str) -> Any:
    run = seqkit.resume(out, overrides, plugins=plugins)
    return {name: value.numpy() for name, value in run.model.state_dict().items()}


def digest(path: str | Path) -> str:
    """The digest of weights, optimizer, state and losses of the last checkpoint."""
    last = sorted((Path(path) / "checkpoints").glob("step-*"))[-1]
    return hashlib.sha256(
        b"".join((last / f"{name}.safetensors").read_bytes() for name in ("model", "training"))
    ).hexdigest()


def rows(path: str | Path) -> list[dict[str, Any]]:
    return rundir.read_metrics(Path(path))


def same_rows(several: str, one: str) -> None:
    found, wanted = rows(several), rows(one)
    assert [(row["step"], row["split"], row["tokens"]) for row in found] == [
        (row["step"], row["split"], row["tokens"]) for row in wanted
    ]
    np.testing.assert_allclose([row["loss"] for row in found], [row["loss"] for row in wanted], rtol=1e-5)


@pytest.mark.parametrize("state", ["carry", pytest.param("reset", marks=pytest.mark.ci)])
def test_the_same_run(tiny_recipe: seqkit.Recipe, state: str) -> None:
    recipe = tiny_recipe.override([f"train.state={state}"])
    trained(recipe, "one")
    weights = together(3, trained, recipe, "three")
    same_rows("three", "one")
    assert {path.name for path in Path("one").iterdir()} == {path.name for path in Path("three").iterdir()}
    for other in weights[1:]:
        for name, value in weights[0].items():
            np.testing.assert_array_equal(other[name], value)
    provenance = seqkit.load("three").provenance
    assert provenance["ranks"] == 3
    assert provenance["backends"] == "gloo"
    assert len(provenance["hosts"]) == 3


@pytest.mark.ci
@pytest.mark.parametrize("world", [2, 3])
def test_resumed_bit_for_bit(tiny_recipe: seqkit.Recipe, world: int) -> None:
    recipe = tiny_recipe.override(["model.dropout=0.3", "model.layers=2", "train.save_every=13"])
    together(world, trained, recipe.override(["train.steps=41"]), "whole")
    together(world, trained, recipe.override(["train.steps=23"]), "parts")
    together(world, continued, "parts", ["train.steps=41"])
    assert digest("parts") == digest("whole")


@pytest.mark.ci
def test_other_numbers_of_processes(tiny_recipe: seqkit.Recipe) -> None:
    trained(tiny_recipe.override(["train.steps=41"]), "one")
    trained(tiny_recipe.override(["train.steps=10"]), "elastic")
    together(2, continued, "elastic", ["train.steps=22"])
    together(4, continued, "elastic", ["train.steps=30"])
    continued("elastic", ["train.steps=41"])
    last = [sorted(Path(path, "checkpoints").glob("step-*"))[-1] for path in ("one", "elastic")]
    from safetensors.numpy import load_file

    one, elastic = (load_file(path / "training.safetensors") for path in last)
    for name, value in one.items():
        np.testing.assert_allclose(elastic[name], value, atol=1e-5, rtol=1e-4, err_msg=name)


def without_warm_up(function: Any, *arguments: Any) -> Any:
    """Call it where the first backward pass is that of the first step."""
    from seqkit.training import trainer

    trainer.averaged = lambda forward, batch, carried, ranks: ranks.wrap(forward, False)
    return function(*arguments)


@pytest.mark.ci
@pytest.mark.parametrize("state", ["carry", "reset"])
def test_a_save_at_the_end_of_an_epoch(tiny_recipe: seqkit.Recipe, state: str) -> None:
    """The first process saves while the others have begun the next epoch."""
    recipe = tiny_recipe.override(
        [f"train.state={state}", "train.batch_size=32", "train.seq_len=100", "train.steps=17"]
    )
    recipe = recipe.override(["train.save_every=1", "train.evaluate_every=none"])
    together(2, trained, recipe, "whole")
    together(2, trained, recipe.override(["train.steps=6"]), "parts")
    together(2, continued, "parts", ["train.steps=17"])
    assert digest("parts") == digest("whole")


@pytest.mark.ci
def test_without_a_backward_pass_of_zeros_it_would_not_be_bit_for_bit(tiny_recipe: seqkit.Recipe) -> None:
    changes = ["cell.use=lstm", "model.layers=2", "model.dropout=0.3", "train.save_every=13"]
    recipe = tiny_recipe.override(changes)
    gated = "seqkit_gated"
    together(3, without_warm_up, trained, recipe.override(["train.steps=41"]), "whole", gated)
    together(3, without_warm_up, trained, recipe.override(["train.steps=23"]), "parts", gated)
    together(3, without_warm_up, continued, "parts", ["train.steps=41"], gated)
    assert digest("parts") != digest("whole")
