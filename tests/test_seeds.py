import json
import statistics
from pathlib import Path

import pytest

import seqkit
from seqkit.errors import RecipeError, RunError
from seqkit.run.seeds import mean_and_interval, train_seeds


@pytest.mark.ci
def test_every_seed_is_a_complete_run(tiny_recipe: seqkit.Recipe) -> None:
    summary = train_seeds(tiny_recipe, 3, "out")
    assert json.loads(Path("out/summary.json").read_text()) == summary
    losses = []
    for seed in range(3):
        run = seqkit.load(f"out/seed-{seed}")
        assert run.provenance["seed"] == seed
        losses.append(min(row["loss"] for row in run.metrics if row["split"] == "validation"))
    assert summary["loss"]["values"] == losses
    assert len(set(losses)) == 3
    low, high = summary["loss"]["interval_95"]
    assert low < summary["loss"]["mean"] < high


def test_the_interval_is_students() -> None:
    """By hand: mean 2, standard deviation 1, t(2 degrees of freedom) = 4.303."""
    result = mean_and_interval([1.0, 2.0, 3.0])
    assert result["mean"] == 2
    assert result["interval_95"] == pytest.approx([2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5], rel=1e-3)


def test_the_interval_of_many_seeds() -> None:
    """t(29 degrees of freedom) = 2.045, from a printed table."""
    values = [float(seed % 2) for seed in range(30)]
    half = 2.045 * statistics.stdev(values) / 30**0.5
    assert mean_and_interval(values)["interval_95"] == pytest.approx([0.5 - half, 0.5 + half], rel=1e-3)


def test_mistakes_are_reported_before_any_training(tiny_recipe: seqkit.Recipe) -> None:
    with pytest.raises(RunError, match="at least two seeds, got 1"):
        train_seeds(tiny_recipe, 1, "out")
    with pytest.raises(RecipeError):
        train_seeds(tiny_recipe.override(["train.steps=0"]), 2, "out")
    assert not Path("out").exists()
