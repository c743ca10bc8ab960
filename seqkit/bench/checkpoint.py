"""Cost of saving: a training that saves as often as it may."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seqkit.errors import RunError
from seqkit.recipe import Recipe, ResolvedRecipe
from seqkit.registry import BehaviourHooks, Registry, registry_with
from seqkit.run import Run
from seqkit.run.callbacks import MOST_OFTEN, SAVE_EVERY_S, SaveCheckpoints
from seqkit.run.setup import make_training, process_for
from seqkit.tasks import task_of
from seqkit.tasks.components import make_model
from seqkit.training import Trainer

WARM_UP_STEPS = 4


def measure(
    recipes: Sequence[str],
    *,
    data: str | None = None,
    overrides: Sequence[str] = (),
    seconds: float = 30.0,
    folder: str | None = None,
    plugins: Sequence[Any] = (),
) -> list[dict[str, Any]]:
    """The share of a training's time that saving takes.

    Without the interval of 60 s, the only limit is the rule that a save takes at most 1/34 of the time.

    Args:
        recipes: names of recipes.
        data: a file that replaces the recipes' sources.
        overrides: overrides for all recipes.
        seconds: length of each training.
        folder: directory on the disk that is measured; by default that of temporary files.
        plugins: plugins in addition to the installed ones.
    Returns:
        For each recipe: `parameters`, `megabytes` of a checkpoint, `saves`, `save_ms` (median), and the share
        of the time: `share` as measured, `share_at_60_s` with the default interval.
    Raises:
        RunError: the time is too short for a save.
    """
    registry = registry_with(plugins)
    rows = []
    for name in recipes:
        recipe = Recipe.load(name, registry)
        recipe = recipe.with_data(data) if data is not None else recipe
        resolved = recipe.override([*overrides, "train.steps=none", "train.epochs=none"])
        budget = [f"train.minutes={seconds / 60}"]
        with TemporaryDirectory(dir=folder) as place:
            rows.append(_row(resolved.override(budget).resolve(registry), registry, Path(place)))
    return rows


def _row(recipe: ResolvedRecipe, registry: Registry, folder: Path) -> dict[str, Any]:
    task, train = task_of(recipe), recipe.train
    with process_for(train):
        text = task.prepare(recipe)
        model = make_model(recipe, task.sizes(text.kept))
        saver = _Timed(Run(folder, recipe, text.kept, model), BehaviourHooks(registry), train, {})
        trainer = Trainer(model, **make_training(train, model), callbacks=[saver])
        batches = text.training_batches(train)
        trainer.fit(batches, steps=WARM_UP_STEPS)  # which compiles the engine
        saver.took.clear()
        began = time.perf_counter()
        trainer.fit(batches, minutes=train.minutes)
        elapsed = time.perf_counter() - began
    if not saver.took:
        raise RunError(f"{recipe.name} has saved nothing in {elapsed:.1f} s.\n  Train for longer: --seconds.")
    sizes = [file.stat().st_size for file in saver.newest(folder).iterdir()]
    median = statistics.median(saver.took)
    return {
        "recipe": recipe.name,
        "parameters": sum(each.numel() for each in model.parameters()),
        "megabytes": sum(sizes) / 1e6,
        "steps": trainer.budget.step,
        "saves": len(saver.took),
        "save_ms": median * 1e3,
        "share": sum(saver.took) / elapsed,
        "share_at_60_s": median / (median + max(SAVE_EVERY_S, MOST_OFTEN * median)),
    }


class _Timed(SaveCheckpoints):
    """Saves without waiting for the interval, and measures each save but the last."""

    every_s = 0.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.took: list[float] = []

    def step_ended(self, trainer: Trainer, step: int) -> None:
        """Save a checkpoint if one is due."""
        before, began = self._saved_at, time.perf_counter()
        super().step_ended(trainer, step)
        if self._saved_at != before:
            self.took.append(time.perf_counter() - began)

    def newest(self, folder: Path) -> Path:
        """The directory of the newest checkpoint."""
        return max((folder / "checkpoints").glob("step-*"))
