"""Opening a run directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seqkit.errors import RunError
from seqkit.plugin import load_target
from seqkit.recipe import ResolvedRecipe
from seqkit.registry import Registry, registry_with
from seqkit.run import resuming, rundir
from seqkit.run.base import Run
from seqkit.run.setup import choose_device
from seqkit.tasks import Task, task_of
from seqkit.tasks.base import asking
from seqkit.tasks.components import make_model
from seqkit.training import checkpoint
from seqkit.training.manifest import read_manifest


def load(
    path: str | Path, device: str = "auto", *, step: int | None = None, plugins: Sequence[Any] = ()
) -> Run:
    """Open a run directory; nothing else is read.

    Args:
        path: the run directory.
        device: device to load the model on; it need not be the one that it was trained on.
        step: take the checkpoint of this step, not the best.
        plugins: see `train`; a single-file plugin that the run was trained with has to be given again.
    Returns:
        The run, with its best weights if there was validation data, else its last ones.
    Raises:
        RunError: there is no run, or it is incomplete or damaged.
        MissingPluginError: the run was trained with a plugin that is neither installed nor given.
    """
    return open_run(Path(path), registry_with(plugins), device, step)


def open_run(path: Path, registry: Registry, device: str = "auto", step: int | None = None) -> Run:
    """The run in a directory, with the components of a registry; see `load`."""
    rundir.require_run(path)
    recipe = resuming.saved_recipe(path, registry)
    task = task_of(recipe)
    trained = rundir.read_object(path / rundir.PROVENANCE).get("kind", recipe.kind)
    if trained != recipe.kind:
        raise RunError(
            f"{path} was trained on {trained}, but its source is one for {recipe.kind} here.\n"
            "  Block the plugin that declares this source: -p no:NAME"
        )
    kept = read_kept(path, recipe, task)
    with asking(recipe, "what a run keeps"):
        sizes = task.sizes(kept)
    run = run_class(recipe)(path, recipe, kept, make_model(recipe, sizes))
    while True:
        best = checkpoint.best_checkpoint(path / rundir.CHECKPOINTS, step, last_step(path))
        try:
            resuming.require_whole(path, task.file, read_manifest(best))
            checkpoint.load_weights(run.model, best, choose_device(device))
        except RunError:
            if os.path.lexists(best):
                raise
            continue  # a training that goes on has a better one, and has just removed this one
        run.model.eval()
        return run


def last_step(path: Path) -> int | None:
    """The step that training ended at; None if it has not ended."""
    if not (path / rundir.ENDED).exists():
        return None
    steps = rundir.read_object(path / rundir.ENDED).get("steps")
    return steps if isinstance(steps, int) else None


def read_kept(path: Path, recipe: ResolvedRecipe, task: Task) -> Any:
    """What the task of a run keeps in its directory, such as the tokenizer."""
    try:
        saved = rundir.read_json(path / task.file)
    except RunError as error:
        raise RunError(f"{error}\n  Restore it from a copy of the run.") from error
    with asking(recipe, "what a run keeps"):
        return task.restore(recipe, saved)


def run_class(recipe: ResolvedRecipe) -> Callable[..., Run]:
    """The class of the runs of a recipe's kind."""
    declared = recipe.task.declaration
    return load_target(declared.name, declared.run)
