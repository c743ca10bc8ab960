"""Training a recipe into a run directory, and opening one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seqkit.data import Lanes
from seqkit.errors import RunError
from seqkit.files import sync
from seqkit.plots import plot_loss
from seqkit.plugin import load_target
from seqkit.recipe import Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import BehaviourHooks, Registry, registry_with
from seqkit.run import provenance, resuming, rundir
from seqkit.run.base import Run
from seqkit.run.callbacks import CallPlugins, MetricsLog, SaveCheckpoints, progress_of, require_rows
from seqkit.run.claim import claim
from seqkit.run.setup import choose_device, make_training, process_for, resolved
from seqkit.tasks import Sizes, Task, TaskData, task_of
from seqkit.tasks.base import asking
from seqkit.tasks.components import make_model
from seqkit.training import Trainer, checkpoint, keeping
from seqkit.training.manifest import read_manifest
from seqkit.training.signals import Interrupted, stopping, whole
from seqkit.training.snapshot import Snapshot

logger = logging.getLogger(__name__)


def train(
    recipe: Recipe | ResolvedRecipe | str | Path,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Sequence[object] = (),
) -> Run:
    """Train a recipe, into a new run directory.

    Args:
        recipe: a recipe, or the name or the path of one.
        out: the directory; by default `runs/<recipe>`, then `runs/<recipe>-2`, ...
        resume: if `out` holds a run of the recipe, continue it, or open it if it is complete.
        plugins: plugins in addition to the installed ones: files (`"./mycell.py"`), modules, or declarations
            such as `CellPlugin("mycell", MyConfig, MyCell)`; `"no:NAME"` blocks an installed one.
        strict_plugins: whether an exception in a behaviour hook stops training; else it is logged once.
        callbacks: see `Trainer`; a method `text_tokenised(characters, total)` is called with the progress of
            tokenising, before training begins.
    Returns:
        The run, with its best weights if there was validation data, else its last ones.
    Raises:
        RecipeError: the recipe has faults; the message lists all of them.
        SourceError: the data cannot be read, or is too short.
        RunError: the directory is not empty; or, with `resume`, the run in it cannot be continued so.
        PluginError: a plugin that was given cannot be loaded.
        NonFiniteError, AuditError: see `Trainer.fit`. Like Ctrl-C, and every other exception after the first
            step, they leave a checkpoint of that moment, and the best weights, in the run.
    """
    with stopping():
        return _train(recipe, out, resume, registry_with(plugins), strict_plugins, callbacks)


def _train(
    recipe: Recipe | ResolvedRecipe | str | Path,
    out: str | Path | None,
    resume: bool,
    registry: Registry,
    strict_plugins: bool,
    callbacks: Sequence[object],
) -> Run:
    recipe = resolved(recipe, registry)
    hooks = BehaviourHooks(registry, strict_plugins)
    if resume and out is None:
        raise RunError("to resume a run, give its directory: out= (on the command line --out).")
    if not resume:
        with process_for(recipe.train) as device:
            prepared = _prepare(recipe, callbacks)
            with claim(out, recipe.name) as path:
                return _begin(recipe, registry, hooks, prepared, path, device, callbacks)
    with claim(out, recipe.name, resume=True) as path:
        if (path / rundir.RECIPE).exists():
            saved = resuming.saved_recipe(path, registry)
            return _continue(saved, recipe, registry, hooks, path, callbacks)
        with process_for(recipe.train) as device:
            return _begin(recipe, registry, hooks, _prepare(recipe, callbacks), path, device, callbacks)


def resume(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Sequence[object] = (),
) -> Run:
    """Continue the training of a run from its newest checkpoint.

    The result is that of a training that was never interrupted, bit for bit, as long as versions, device,
    engine, threads and budget are the same; a change of them is logged.

    Args:
        path: the run directory.
        overrides: `key=value` of the budget, patience, intervals, learning rate, schedule, device or threads.
        plugins, strict_plugins, callbacks: see `train`.
    Returns:
        The run; it is opened only, if its training is complete.
    Raises:
        RunError: there is no run, an override changes what it is, its data has changed, or another process
            trains it.
    """
    rundir.require_run(Path(path))
    registry = registry_with(plugins)
    with stopping(), claim(path, Path(path).name, resume=True) as path:
        saved = resuming.saved_recipe(path, registry)
        recipe = saved.override(overrides).resolve(registry)
        return _continue(saved, recipe, registry, BehaviourHooks(registry, strict_plugins), path, callbacks)


@dataclass(frozen=True)
class _Prepared:
    """The data of a recipe, ready for training, before there is a directory."""

    task: Task
    data: TaskData
    batches: Any
    validation: Any
    saved: Any
    sizes: Sizes


def _prepare(recipe: ResolvedRecipe, callbacks: Sequence[object]) -> _Prepared:
    task = task_of(recipe)
    with asking(recipe, "its data"):
        data = task.prepare(recipe, on_progress=progress_of(callbacks))
        batches = data.training_batches(recipe.train)
        validation = data.validation_batches(recipe.train)
        sizes, saved = task.sizes(data.kept), data.saved()
        json.dumps(saved)  # what is not JSON fails before there is a directory
    _warn_of_short_splits(recipe.train, batches, validation)
    return _Prepared(task, data, batches, validation, saved, sizes)


def _begin(
    recipe: ResolvedRecipe,
    registry: Registry,
    hooks: BehaviourHooks,
    prepared: _Prepared,
    path: Path,
    device: torch.device,
    callbacks: Sequence[object],
) -> Run:
    """Train into a directory that is claimed and empty."""
    run = _made_run(recipe, prepared, path, device)
    logger.info("the run is in %s", path)
    described = provenance.describe(recipe, registry, prepared.data, run.model)
    recipe.save(path / rundir.RECIPE)
    rundir.write_json(path / rundir.PROVENANCE, described)
    provenance.keep_plugin_texts(path, registry)
    rundir.write_json(path / prepared.task.file, prepared.saved)
    sync(path / rundir.RECIPE)  # the other files are on the disk; a checkpoint is of no use without them
    sync(path)
    return _fit(run, hooks, prepared, callbacks, None)


def _continue(
    saved: ResolvedRecipe,
    recipe: ResolvedRecipe,
    registry: Registry,
    hooks: BehaviourHooks,
    path: Path,
    callbacks: Sequence[object],
) -> Run:
    """Continue the run in a directory that is claimed; open it if its training is complete."""
    changes = resuming.changes(path, saved, recipe)
    keeping.sweep(path / rundir.CHECKPOINTS)
    with process_for(recipe.train) as device:
        prepared = _prepare(recipe, callbacks)
        run = _made_run(recipe, prepared, path, device)
        described = provenance.describe(recipe, registry, prepared.data, run.model)
        resuming.require_the_same(path, described, prepared.task.file, prepared.saved)
        found = keeping.newest_snapshot(
            path / rundir.CHECKPOINTS, lambda snapshot: require_rows(path / rundir.METRICS, snapshot)
        )
        if found is None:
            resuming.require_unfinished(path)
            logger.info("%s has no checkpoint to resume from: its training begins again", path)
            for name in (rundir.METRICS, rundir.ENDED):
                (path / name).unlink(missing_ok=True)
        else:
            resuming.require_whole(path, prepared.task.file, read_manifest(found[0]))
            logger.info("%s continues from step %d", path, found[1].values["step"])
        resuming.keep(path, changes)
        return _fit(run, hooks, prepared, callbacks, None if found is None else found[1])


def _made_run(recipe: ResolvedRecipe, prepared: _Prepared, path: Path, device: torch.device) -> Run:
    model = make_model(recipe, prepared.sizes).to(device)
    return _run_class(recipe)(path, recipe, prepared.data.kept, model)


def _fit(
    run: Run,
    hooks: BehaviourHooks,
    prepared: _Prepared,
    callbacks: Sequence[object],
    start: Snapshot | None,
) -> Run:
    """Train, save and close the run; an exception after the first step leaves a checkpoint of that moment."""
    train, path = run.recipe.train, run.path
    began_at = 0 if start is None else start.values["step"]
    files = rundir.files_of_run(path, prepared.task.file)
    saver = SaveCheckpoints(run, hooks, train, files)
    log = MetricsLog(path / rundir.METRICS, train.log_every, prepared.batches)
    trainer = Trainer(
        run.model,
        **make_training(train, run.model),
        callbacks=[log, saver, CallPlugins(run, hooks), *callbacks],
    )
    try:
        trainer.fit(
            prepared.batches,
            epochs=train.epochs,
            steps=train.steps,
            minutes=train.minutes,
            validation=prepared.validation,
            evaluate_every=train.evaluate_every,
            patience=train.patience,
            start=start,
        )
    except BaseException as stop:
        if trainer.budget.step in (0, began_at):
            raise  # nothing was trained: a new directory goes, that of a run is as it was
        try:
            with whole():
                trainer.status.ended_by = _reason(stop)
                saver.save(trainer)
                log.run_finished(trainer)
                _finish(run, prepared.task, trainer)
                _log_stop(run, trainer, stop)
        except Interrupted as second:
            second.path = path  # everything was saved before it was raised
            raise
        if isinstance(stop, Interrupted):
            stop.path = path
        raise
    with whole():
        if start is not None and trainer.budget.step == began_at:
            logger.warning(
                "%s: nothing is left to train; it ended by %s, at step %d",
                *(path, trainer.history.ended_by, trainer.budget.step),
            )
        _finish(run, prepared.task, trainer)
    hooks.call("seqkit_run_finished", run=run)
    return run


def _reason(stop: BaseException) -> str:
    """Value of `ended_by` for a training that ended early."""
    return "an interrupt" if isinstance(stop, KeyboardInterrupt) else f"an error ({type(stop).__name__})"


def _log_stop(run: Run, trainer: Trainer, stopped: BaseException) -> None:
    """Log at which step a training ended early, and what is kept of it."""
    how = "interrupted" if isinstance(stopped, KeyboardInterrupt) else "stopped"
    logger.warning("%s at step %d; the weights are kept in %s", how, trainer.budget.step, run.path)
    best = trainer.history.best
    if best is not None and best.step != trainer.budget.step:
        logger.warning("the run opens with the weights of step %d, its lowest validation loss", best.step)


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
    path = Path(path)
    registry = registry_with(plugins)
    rundir.require_run(path)
    recipe = resuming.saved_recipe(path, registry)
    task = task_of(recipe)
    trained = rundir.read_object(path / rundir.PROVENANCE).get("kind", recipe.kind)
    if trained != recipe.kind:
        raise RunError(
            f"{path} was trained on {trained}, but its source is one for {recipe.kind} here.\n"
            "  Block the plugin that declares this source: -p no:NAME"
        )
    saved = rundir.read_json(path / task.file)
    with asking(recipe, "what a run keeps"):
        kept = task.restore(recipe, saved)
        sizes = task.sizes(kept)
    run = _run_class(recipe)(path, recipe, kept, make_model(recipe, sizes))
    best = checkpoint.best_checkpoint(path / rundir.CHECKPOINTS, step)
    resuming.require_whole(path, task.file, read_manifest(best))
    checkpoint.load_weights(run.model, best, choose_device(device))
    run.model.eval()
    return run


def _run_class(recipe: ResolvedRecipe) -> Callable[..., Run]:
    declared = recipe.task.declaration
    return load_target(declared.name, declared.run)


def _warn_of_short_splits(train: TrainConfig, batches: Any, validation: Any) -> None:
    """Warn if the training split gives fewer lanes than requested, or if there is no validation split."""
    if isinstance(batches, Lanes) and batches.lanes < train.batch_size:
        logger.warning(
            "the training split has room for %d lanes of one window, not for train.batch_size = %d",
            batches.lanes,
            train.batch_size,
        )
    if validation is None:
        logger.warning("there is no validation split: the last weights are kept, not the best")


def _finish(run: Run, task: Task, trainer: Trainer) -> None:
    """Load the best weights into the model, add how training ended to the provenance, and plot the loss."""
    history = trainer.history
    if history.best is not None:
        run.model.load_state_dict(history.best.weights)
    run.model.eval()
    if (means := history.ended_higher) is not None:
        logger.warning(
            "the loss of training ended higher than it began: %.3f, then %.3f; try a lower learning rate "
            "(train.learning_rate is %g)",
            *means,
            run.recipe.train.learning_rate,
        )
    ended = {
        "engine": run.model.engine_ran or run.model.engine,
        "ended_by": history.ended_by,
        "steps": trainer.budget.step,
        "ended_higher": history.ended_higher is not None,
        "tokens": history.tokens,
        "training_s": history.training_s,
    }
    if run.model.engine_ran is not None or not (run.path / rundir.ENDED).exists():  # else no step was taken
        rundir.write_json(run.path / rundir.ENDED, ended)
    unit = task.loss_unit(run.recipe.head.use)
    plot_loss(run.metrics, run.path / rundir.LOSS_PLOT, run.recipe.name, unit)
