"""Comparison of recipes: the same data, the same minutes of training, several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seqkit.bench.budget import with_budget
from seqkit.plots import plot_recipes
from seqkit.recipe import Recipe
from seqkit.registry import Registry, registry_with
from seqkit.run import rundir
from seqkit.run.claim import claim
from seqkit.run.seeds import train_seeds

PICTURE = "recipes.png"
RESULT = "recipes.json"


def compare(
    recipes: Sequence[str],
    *,
    data: str | None = None,
    minutes: float = 3.0,
    seeds: int = 3,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    plugins: Sequence[Any] = (),
    callbacks: Callable[[str, int], Sequence[object]] = lambda recipe, seed: (),
) -> dict[str, Any]:
    """Train every recipe with every seed, and write a table and a picture of the curves.

    Args:
        recipes: names of the recipes.
        data: a text file that replaces the recipes' sources.
        minutes: duration of each training.
        seeds: number of seeds of each recipe, at least two.
        overrides: overrides for all recipes.
        out: the directory of the runs; by default `runs/recipes`, then `runs/recipes-2`, ...
        plugins: plugins in addition to the installed ones.
        callbacks: function of a recipe and a seed that returns the callbacks of its training; see `Trainer`.
    """
    registry = registry_with(plugins)
    changed = [_changed(name, data, minutes, overrides, registry) for name in recipes]
    with claim(out, "recipes") as path:
        rows = []
        for recipe in changed:
            folder = path / recipe.name
            summary = train_seeds(
                recipe, seeds, folder, plugins=plugins, callbacks=partial(callbacks, recipe.name)
            )
            runs = [folder / f"seed-{seed}" for seed in range(seeds)]
            described = rundir.read_provenance(folder / "seed-0")
            rows.append(
                {
                    "recipe": recipe.name,
                    "parameters": described["parameters"],
                    "engine": described["engine"],
                    "loss": summary["loss"],
                    "bits_per_char": summary["bits_per_char"],
                    "tokens_per_s": statistics.median(map(rundir.tokens_per_s, runs)),
                    "curves": [_curve(rundir.read_metrics(run)) for run in runs],
                }
            )
        result = {
            "path": str(path),
            "split": "validation",
            "minutes": minutes,
            "seeds": seeds,
            "recipes": rows,
        }
        rundir.write_json(path / RESULT, result)
        plot_recipes(rows, path / PICTURE, f"{minutes:g} minutes, {seeds} seeds")
        return result


def _changed(
    name: str, data: str | None, minutes: float, overrides: Sequence[str], registry: Registry
) -> Recipe:
    recipe = Recipe.load(name, registry)
    recipe = recipe if data is None else recipe.with_data(data)
    return with_budget(recipe, registry, "minutes", minutes).override(overrides)


def _curve(rows: Sequence[dict[str, Any]]) -> list[tuple[float, int, float]]:
    """Seconds, tokens trained on and validation loss of each evaluation."""
    curve, tokens = [], 0
    for row in rows:
        if row["split"] == "train":
            tokens += row["tokens"]
        elif row["split"] == "validation":
            curve.append((row["elapsed_s"], tokens, row["loss"]))
    return curve
