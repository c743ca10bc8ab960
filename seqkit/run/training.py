"""Training a recipe into a run directory, and continuing one."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from seqkit.data import Lanes
from seqkit.errors import RunError, SaveError
from seqkit.files import remove, replacing, sync
from seqkit.plots import plot_loss
from seqkit.recipe import Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import BehaviourHooks, Registry, registry_with
from seqkit.run import provenance, resuming, rundir
from seqkit.run.base import Run
from seqkit.run.callbacks import CallPlugins, MetricsLog, SaveCheckpoints, progress_of, require_rows
from seqkit.run.claim import claim
from seqkit.run.fine_tuning import Beginning, begin_from, beginning_of
from seqkit.run.opening import open_run, read_kept, run_class
from seqkit.run.setup import make_training, process_for, resolved
from seqkit.tasks import Sizes, Task, TaskData, task_of
from seqkit.tasks.base import asking
from seqkit.tasks.components import make_model
from seqkit.training import Trainer, keeping
from seqkit.training.manifest import read_manifest
from seqkit.training.signals import Interrupted, heed, stopping, whole
from seqkit.training.snapshot import Snapshot

logger = logging.getLogger(__name__)


def train(
    recipe: Recipe | ResolvedRecipe | str | Path,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    init_from: str | Path | None = None,
    extend_vocabulary: bool = False,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Sequence[object] = (),
) -> Run:
    """Train a recipe, into a new run directory.

    Args:
        recipe: a recipe, or the name or the path of one.
        out: the directory; by default `runs/<recipe>`, then `runs/<recipe>-2`, ...
        resume: if `out` holds a run of the recipe, continue it, or open it if it is complete.
        init_from: directory of a run of the same model: training begins with its best weights, and with its
            tokenizer or scaler; the optimizer and the budget are new.
        extend_vocabulary: with `init_from`, add the tokens that only the new text has.
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
        RunError: the directory is not empty; with `resume`, the run in it cannot be continued so; or the run
            of `init_from` has another model.
        PluginError: a plugin that was given cannot be loaded.
        NonFiniteError, AuditError: see `Trainer.fit`. Like Ctrl-C, and every other exception after the first
            step, they leave a checkpoint of that moment, and the best weights, in the run.
    """
    if extend_vocabulary and init_from is None:
        raise RunError("only the vocabulary of another run can be extended: init_from= (--from).")
    began = None if init_from is None else Path(init_from)
    job = _Job(registry_with(plugins), strict_plugins, callbacks, began, extend_vocabulary)
    with stopping():
        return _train(resolved(recipe, job.registry), out, resume, job)


@dataclass(frozen=True)
class _Job:
    """What does not change between the parts of a training."""

    registry: Registry
    strict_plugins: bool
    callbacks: Sequence[object]
    init_from: Path | None = None
    extend_vocabulary: bool = False

    @cached_property
    def hooks(self) -> BehaviourHooks:
        """The hooks of the plugins."""
        return BehaviourHooks(self.registry, self.strict_plugins)


def _train(recipe: ResolvedRecipe, out: str | Path | None, resume: bool, job: _Job) -> Run:
    if resume and out is None:
        raise RunError("to resume a run, give its directory: out= (on the command line --out).")
    if not resume:
        with process_for(recipe.train) as device:
            prepared = _prepare_first(recipe, job)
            with claim(out, recipe.name) as path:
                return _begin(recipe, job, prepared, path, device)
    with claim(out, recipe.name, resume=True) as path:
        if (path / rundir.SEEDS).exists():
            raise RunError(
                f"{path} holds several seeds, not one run.\n  Continue them all: seqkit resume {path}."
            )
        if (path / rundir.RECIPE).exists():
            return _continue(resuming.saved_recipe(path, job.registry), recipe, path, job)
        with process_for(recipe.train) as device:
            return _begin(recipe, job, _prepare_first(recipe, job), path, device)


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
    job = _Job(registry_with(plugins), strict_plugins, callbacks)
    with stopping(), claim(path, Path(path).name, resume=True) as path:
        saved = resuming.saved_recipe(path, job.registry)
        return _continue(saved, saved.override(overrides).resolve(job.registry), path, job)


@dataclass(frozen=True)
class _Prepared:
    """The data of a recipe, ready for training, before there is a directory."""

    task: Task
    data: TaskData
    batches: Any
    validation: Any
    saved: Any
    sizes: Sizes
    beginning: Beginning | None = None


def _prepare_first(recipe: ResolvedRecipe, job: _Job) -> _Prepared:
    """The data of a new run, with what it takes from another one."""
    if job.init_from is None:
        return _prepare(recipe, job)
    run = open_run(job.init_from, job.registry)
    beginning = begin_from(run, recipe, task_of(recipe), extend_vocabulary=job.extend_vocabulary)
    return replace(_prepare(recipe, job, beginning.kept), beginning=beginning)


def _prepare(recipe: ResolvedRecipe, job: _Job, kept: Any = None) -> _Prepared:
    task, progress = task_of(recipe), progress_of(job.callbacks)
    with asking(recipe, "its data"):
        given = {} if kept is None else {"kept": kept}
        data = task.prepare(recipe, on_progress=progress, **given)
        batches = data.training_batches(recipe.train)
        validation = data.validation_batches(recipe.train)
        sizes, saved = task.sizes(data.kept), data.saved()
        json.dumps(saved)  # what is not JSON fails before there is a directory
    _warn_of_short_splits(recipe.train, batches, validation)
    return _Prepared(task, data, batches, validation, saved, sizes)


def _begin(recipe: ResolvedRecipe, job: _Job, prepared: _Prepared, path: Path, device: torch.device) -> Run:
    """Train into a directory that is claimed and empty."""
    run = _made_run(recipe, prepared, path, device)
    logger.info("the run is in %s", path)
    described = provenance.describe(recipe, job.registry, prepared.data, run.model)
    if prepared.beginning is not None:
        prepared.beginning.give_weights(run.model)
        described["from"] = prepared.beginning.describe()
        logger.info("it begins with the weights of %(path)s, step %(step)d", described["from"])
    rundir.write_json(path / rundir.PROVENANCE, described)
    provenance.keep_plugin_texts(path, job.registry)
    rundir.write_json(path / prepared.task.file, prepared.saved)
    with replacing(path / rundir.RECIPE) as partial:  # the last: with it, the directory is a run
        recipe.save(partial)
    sync(path)
    return _fit(run, job, prepared, None)


def _continue(saved: ResolvedRecipe, recipe: ResolvedRecipe, path: Path, job: _Job) -> Run:
    """Continue the run in a directory that is claimed; open it if its training is complete."""
    changes = resuming.changes(path, saved, recipe)
    keeping.sweep(path / rundir.CHECKPOINTS)
    for left in path.glob("*.partial"):
        remove(left)
    began_with = rundir.read_object(path / rundir.PROVENANCE).get("from")
    if job.init_from is not None:
        resuming.require_the_same_beginning(path, began_with, beginning_of(job.init_from))
    with process_for(recipe.train) as device:
        kept = None if began_with is None else read_kept(path, recipe, task_of(recipe))
        prepared = _prepare(recipe, job, kept)
        run = _made_run(recipe, prepared, path, device)
        described = provenance.describe(recipe, job.registry, prepared.data, run.model)
        resuming.require_the_same(path, described, prepared.task.file, prepared.saved)
        found = keeping.newest_snapshot(
            path / rundir.CHECKPOINTS, lambda snapshot: require_rows(path / rundir.METRICS, snapshot.values)
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
        return _fit(run, job, prepared, None if found is None else found[1])


def _made_run(recipe: ResolvedRecipe, prepared: _Prepared, path: Path, device: torch.device) -> Run:
    model = make_model(recipe, prepared.sizes).to(device)
    return run_class(recipe)(path, recipe, prepared.data.kept, model)


def _fit(run: Run, job: _Job, prepared: _Prepared, start: Snapshot | None) -> Run:
    """Train, save and close the run; an exception after the first step leaves a checkpoint of that moment."""
    train, path = run.recipe.train, run.path
    began_at = 0 if start is None else start.values["step"]
    files = rundir.files_of_run(path, prepared.task.file)
    saver = SaveCheckpoints(run, job.hooks, train, files)
    log = MetricsLog(path / rundir.METRICS, train.log_every, prepared.batches)
    trainer = Trainer(
        run.model,
        **make_training(train, run.model),
        callbacks=[log, saver, CallPlugins(run, job.hooks), *job.callbacks],
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
        heed()
        if trainer.status.step in (0, began_at):  # a new directory goes, that of a run is as it was
            logger.warning("%s before its first step: there is nothing to save", _how(stop))
            raise
        try:
            with whole():
                trainer.status.ended_by = _reason(stop)
                saver.save(trainer)
                log.run_finished(trainer)
                _finish(run, prepared.task, trainer)
                _log_stop(run, trainer, stop)
        except Interrupted as second:  # it came in the block, and is raised at its end
            if isinstance(second.__context__, SaveError):
                raise second.__context__ from stop
            second.path = path
            raise
        if isinstance(stop, Interrupted):
            stop.path = path
        raise
    with whole():
        if start is not None and trainer.status.step == began_at:
            logger.warning(
                "%s: nothing is left to train; it ended by %s, at step %d",
                *(path, trainer.history.ended_by, trainer.status.step),
            )
        _finish(run, prepared.task, trainer)
    job.hooks.call("seqkit_run_finished", run=run)
    return run


def _reason(stop: BaseException) -> str:
    """Value of `ended_by` for a training that ended early."""
    return "an interrupt" if isinstance(stop, KeyboardInterrupt) else f"an error ({type(stop).__name__})"


def _log_stop(run: Run, trainer: Trainer, stopped: BaseException) -> None:
    """Log at which step a training ended early, and what is kept of it."""
    logger.warning("%s at step %d; everything is saved in %s", _how(stopped), trainer.status.step, run.path)
    best = trainer.history.best
    if best is not None and best.step != trainer.status.step:
        logger.warning("the run opens with the weights of step %d, its lowest validation loss", best.step)
    logger.warning("To continue: seqkit resume %s", run.path)


def _how(stopped: BaseException) -> str:
    return "interrupted" if isinstance(stopped, KeyboardInterrupt) else "stopped"


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
        "steps": trainer.status.step,
        "ended_higher": history.ended_higher is not None,
        "tokens": history.tokens,
        "training_s": history.training_s,
    }
    if run.model.engine_ran is not None or not (run.path / rundir.ENDED).exists():  # else no step was taken
        rundir.write_json(run.path / rundir.ENDED, ended)
    unit = task.loss_unit(run.recipe.head.use)
    plot_loss(run.metrics, run.path / rundir.LOSS_PLOT, run.recipe.name, unit)
