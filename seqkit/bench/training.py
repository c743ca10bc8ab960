"""Speed of training recipes with each engine: whole steps of the trainer, alternating, in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from seqkit.recipe import Recipe
from seqkit.registry import Registry, registry_with
from seqkit.run.setup import make_training, process_for
from seqkit.tasks.components import make_model
from seqkit.tasks.text import TextTask, prepare_text
from seqkit.training import Trainer

ENGINES = ("loop", "fused", "compiled")


def measure(
    recipes: Sequence[str],
    *,
    data: str | None = None,
    overrides: Sequence[str] = (),
    steps: int = 10,
    repeats: int = 12,
    plugins: Sequence[Any] = (),
) -> list[dict[str, Any]]:
    """Milliseconds of a whole training step with each engine, from the batch to the optimizer.

    Args:
        recipes: names of recipes for text.
        data: a text file that replaces the recipes' sources.
        overrides: overrides for all recipes.
        steps: number of steps of each engine in a turn; all read the same batches.
        repeats: number of turns of each engine, after one that is not counted.
        plugins: plugins in addition to the installed ones.
    Returns:
        For each recipe: `ms` (a median for each engine), `tokens_per_s`, and `ratios`. The ratios are, for
        each engine except the loop, the median, the lowest and the highest of loop / engine over the turns.
    """
    registry = registry_with(plugins)
    rows = []
    for name in recipes:
        recipe = Recipe.load(name, registry)
        recipe = recipe.with_data(data) if data is not None else recipe
        rows.append(_row(recipe.override(overrides), registry, steps, repeats))
    return rows


def _row(recipe: Recipe, registry: Registry, steps: int, repeats: int) -> dict[str, Any]:
    resolved = {engine: recipe.override([f"model.engine={engine}"]).resolve(registry) for engine in ENGINES}
    train = resolved["loop"].train
    with process_for(train):
        text = prepare_text(resolved["loop"])
        batches = list(islice(text.training_batches(train), steps))
        trainers = {}
        for engine in ENGINES:
            model = make_model(resolved[engine], TextTask().sizes(text.tokenizer))
            trainers[engine] = Trainer(model, **make_training(train, model))
        times: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        for _ in range(repeats + 1):
            for engine, trainer in trainers.items():
                start = time.perf_counter()
                trainer.fit(batches, steps=len(batches))
                times[engine].append((time.perf_counter() - start) / len(batches))
    counted = {engine: seconds[1:] for engine, seconds in times.items()}
    medians = {engine: statistics.median(seconds) for engine, seconds in counted.items()}
    tokens = statistics.mean(batch.targets.numel() for batch in batches)
    return {
        "recipe": recipe.name,
        "ms": {engine: seconds * 1e3 for engine, seconds in medians.items()},
        "tokens_per_s": {engine: tokens / seconds for engine, seconds in medians.items()},
        "ratios": {
            engine: _summary([a / b for a, b in zip(counted["loop"], counted[engine], strict=True)])
            for engine in ENGINES[1:]
        },
    }


def _summary(ratios: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
