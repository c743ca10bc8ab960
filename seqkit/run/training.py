"""Training a recipe into a run directory, and opening one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqkit.data import Lanes
from seqkit.errors import RunError
from seqkit.plots import plot_loss
from seqkit.plugin import load_target
from seqkit.recipe import Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import BehaviourHooks, Registry, registry_with
from seqkit.run import provenance, rundir
from seqkit.run.base import Run
from seqkit.run.callbacks import CallPlugins, KeepWeights, MetricsLog, progress_of
from seqkit.run.setup import choose_device, make_training, process_for, resolved
from seqkit.tasks import Task, TaskData, task_of
from seqkit.tasks.base import asking
from seqkit.tasks.components import make_model
from seqkit.training import Trainer, checkpoint
from seqkit.training.signals import whole

logger = logging.getLogger(__name__)


def train(
    recipe: Recipe | ResolvedRecipe | str | Path,
    out: str | Path | None = None,
    *,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Sequence[object] = (),
) -> Run:
    """Train what a recipe describes, into a new run directory.

    Args:
        recipe: a recipe, or its name or path.
        out: the directory; by default `runs/<recipe>`, then `runs/<recipe>-2`, ...
        plugins: plugins in addition to the installed ones: files (`"./mycell.py"`), modules, or declarations
            such as `CellPlugin("mycell", MyConfig, MyCell)`; `"no:NAME"` blocks an installed one.
        strict_plugins: whether an exception in a behaviour hook stops training; otherwise it is logged once.
        callbacks: see `Trainer`. If one has a method `text_tokenised(characters, total)`, it is called with
            the progress of tokenising before training begins.
    Returns:
        The run, with its best weights if there was validation data, else its last ones.
    Raises:
        RecipeError: the recipe has faults; the message lists all of them.
        SourceError: the data cannot be read, or is too short.
        RunError: the directory is not empty.
        PluginError: one of the given plugins cannot be loaded.
        NonFiniteError, AuditError: see `Trainer.fit`. As after Ctrl-C or any other error after the first
            step, the weights of that moment and the best ones are kept in the run.
    """
    registry = registry_with(plugins)
    recipe = resolved(recipe, registry)
    task = task_of(recipe)
    with process_for(recipe.train) as device:
        with asking(recipe, "its data"):
            data = task.prepare(recipe, on_progress=progress_of(callbacks))
            batches = data.training_batches(recipe.train)
            validation = data.validation_batches(recipe.train)
            sizes, saved = task.sizes(data.kept), data.saved()
            json.dumps(saved)  # a value that is not JSON fails before the directory is created
        _warn_of_short_splits(recipe.train, batches, validation)
        model = make_model(recipe, sizes).to(device)
        with rundir.claim(out, recipe.name) as path:
            run = _run_class(recipe)(path, recipe, data.kept, model)
            logger.info("the run is in %s", path)
            described = _write_first_files(run, registry, task, data, saved)
            hooks = BehaviourHooks(registry, strict_plugins)
            keeper = KeepWeights(run, hooks)
            log = MetricsLog(path / rundir.METRICS, recipe.train.log_every, batches)
            trainer = Trainer(
                model,
                **make_training(recipe.train, model),
                callbacks=[log, keeper, CallPlugins(run, hooks), *callbacks],
            )
            try:
                _fit(trainer, recipe.train, batches, validation)
            except BaseException as stop:
                if not trainer.budget.step:
                    raise  # nothing was trained: the directory is removed
                with whole():
                    trainer.status.ended_by = _reason(stop)
                    keeper.run_finished(trainer)
                    log.run_finished(trainer)
                    _finish(run, trainer, described)
                    _log_stop(run, trainer, stop)
                raise
            with whole():
                _finish(run, trainer, described)
            hooks.call("seqkit_run_finished", run=run)
    return run


def _fit(trainer: Trainer, train: TrainConfig, batches: Any, validation: Any) -> None:
    trainer.fit(
        batches,
        epochs=train.epochs,
        steps=train.steps,
        minutes=train.minutes,
        validation=validation,
        evaluate_every=train.evaluate_every,
        patience=train.patience,
    )


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


def load(path: str | Path, device: str = "auto", *, plugins: Sequence[Any] = ()) -> Run:
    """Open a run directory; nothing else is read.

    Args:
        path: the run directory.
        device: device to load the model on; it need not be the one that it was trained on.
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
    overrides = provenance.require_plugins(path, registry)
    recipe = Recipe.load(path / rundir.RECIPE).override(overrides).resolve(registry)
    task = task_of(recipe)
    trained = rundir.read_json(path / rundir.PROVENANCE).get("kind", recipe.kind)
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
    best = checkpoint.best_checkpoint(path / rundir.CHECKPOINTS)
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


def _write_first_files(
    run: Run, registry: Registry, task: Task, data: TaskData, saved: Any
) -> dict[str, Any]:
    """Write all files that a run directory has before the first step; the provenance is returned."""
    described = provenance.describe(run.recipe, registry, data, run.model)
    run.recipe.save(run.path / rundir.RECIPE)
    rundir.write_json(run.path / rundir.PROVENANCE, described)
    provenance.keep_plugin_texts(run.path, registry)
    rundir.write_json(run.path / task.file, saved)
    return described


def _finish(run: Run, trainer: Trainer, described: Mapping[str, Any]) -> None:
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
    rundir.write_json(run.path / rundir.PROVENANCE, {**described, **ended})
    unit = task_of(run.recipe).loss_unit(run.recipe.head.use)
    plot_loss(run.metrics, run.path / rundir.LOSS_PLOT, run.recipe.name, unit)
