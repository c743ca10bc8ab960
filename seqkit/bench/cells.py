"""Comparison of cells: the same data, the same budget, the same number of parameters, several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seqkit.bench.budget import with_budget
from seqkit.errors import PluginError
from seqkit.plots import plot_cells
from seqkit.recipe import Recipe
from seqkit.registry import Registry, registry_with
from seqkit.run import rundir
from seqkit.run.claim import claim
from seqkit.run.seeds import train_seeds
from seqkit.tasks import Sizes
from seqkit.tasks.components import outline_model
from seqkit.tasks.text import prepare_text

TOLERANCE = 0.02
"""Largest relative difference of a cell's number of parameters from the target."""
PICTURE = "cells.png"
RESULT = "cells.json"


def compare(
    cells: Sequence[str],
    *,
    recipe: Recipe,
    parameters: int = 100_000,
    steps: int = 1000,
    seeds: int = 3,
    out: str | Path | None = None,
    plugins: Sequence[Any] = (),
    callbacks: Callable[[str, int], Sequence[object]] = lambda cell, seed: (),
) -> dict[str, Any]:
    """Train every cell with every seed, and write a table and a picture.

    All train with the recipe's own settings, including the learning rate, on the same batches in the
    same order. The size of a cell is set by the field that its declaration names.

    Args:
        cells: names of the cells.
        recipe: everything except the cell and the budget.
        parameters: number of parameters of each whole model, within 2 %.
        steps: number of steps of each training.
        seeds: number of seeds of each cell, at least two.
        out: the directory of the runs; by default `runs/cells`, then `runs/cells-2`, ...
        plugins: plugins in addition to the installed ones.
        callbacks: function of a cell and a seed that returns the callbacks of its training; see `Trainer`.
    Raises:
        PluginError: a cell cannot have this number of parameters.
    """
    registry = registry_with(plugins)
    vocab_size = prepare_text(recipe.resolve(registry)).tokenizer.vocab_size
    sized = [_sized(recipe, cell, vocab_size, parameters, registry) for cell in cells]
    with claim(out, "cells") as path:
        rows = []
        for cell, (chosen, size, count) in zip(cells, sized, strict=True):
            budgeted = with_budget(chosen, registry, "steps", steps)
            budgeted = budgeted.override([f"train.evaluate_every={max(1, steps // 20)}"])
            folder = path / cell.replace(":", "-")
            summary = train_seeds(
                budgeted, seeds, folder, plugins=plugins, callbacks=partial(callbacks, cell)
            )
            runs = [folder / f"seed-{seed}" for seed in range(seeds)]
            rows.append(
                {
                    "cell": cell,
                    "size": size,
                    "parameters": count,
                    "bits_per_char": summary["bits_per_char"],
                    "tokens_per_s": statistics.median(map(rundir.tokens_per_s, runs)),
                    "curve": _mean_curve([rundir.read_metrics(run) for run in runs]),
                }
            )
        result = {
            "path": str(path),
            "recipe": recipe.name,
            "split": "validation",
            "steps": steps,
            "seeds": seeds,
        }
        result["cells"] = rows
        rundir.write_json(path / RESULT, result)
        plot_cells(
            rows, path / PICTURE, f"{recipe.name}, {parameters:,} parameters, {steps:,} steps, {seeds} seeds"
        )
        return result


def _sized(
    recipe: Recipe, cell: str, vocab_size: int, target: int, registry: Registry
) -> tuple[Recipe, int, int]:
    """The recipe with the cell of the size nearest to the target: `(recipe, size, parameters)`."""
    declaration: Any = registry.component("cell", cell).declaration
    field = declaration.size_field

    def with_size(size: int) -> Recipe:
        return recipe.override([f"cell.use={cell}", f"cell.{field}={size}"])

    def count(size: int) -> int:
        model = outline_model(with_size(size).resolve(registry), Sizes(vocab_size))
        return sum(parameter.numel() for parameter in model.parameters())

    low, high = 1, 2
    while count(high) < target:
        low, high = high, high * 2
        if high > 1 << 20:
            raise PluginError(
                f"the number of parameters of the cell {cell!r} does not grow with its field {field!r}.\n"
                "  Set size_field in its CellPlugin to the field that sets its size."
            )
    while high - low > 1:  # count(low) < target <= count(high)
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    size = min((low, high), key=lambda size: abs(count(size) - target))
    found = count(size)
    if abs(found - target) > TOLERANCE * target:
        raise PluginError(
            f"the cell {cell!r} has {found:,} parameters at {field} = {size}, "
            f"more than 2 % from {target:,}.\n  Choose another number of parameters."
        )
    return with_size(size), size, found


def _mean_curve(metrics: Sequence[Sequence[dict[str, Any]]]) -> list[tuple[int, float]]:
    """Steps, and the mean over the seeds of the validation bits per character at each."""
    by_step: dict[int, list[float]] = {}
    for run in metrics:
        for row in run:
            if row["split"] == "validation":
                by_step.setdefault(row["step"], []).append(row["bits_per_char"])
    return [(step, statistics.fmean(values)) for step, values in sorted(by_step.items())]
