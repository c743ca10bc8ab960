"""Training a recipe into a run directory, and opening one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqkit import build, provenance, rundir
from seqkit.callbacks import CallPlugins, KeepWeights, MetricsLog, tell
from seqkit.data import Lanes
from seqkit.data.series import Scaler
from seqkit.model import SequenceModel
from seqkit.plots import plot_loss
from seqkit.recipe import Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import BehaviourHooks, Registry, registry_with
from seqkit.run.base import Run
from seqkit.run.series import SeriesRun
from seqkit.run.text import TextRun
from seqkit.training import Trainer, checkpoint
from seqkit.training.signals import whole

logger = logging.getLogger(__name__)

LOSS_UNITS = {
    "point": "squared error, in standard deviations",
    "gaussian": "nats per row",
    "student_t": "nats per row",
    "quantile": "CRPS, in standard deviations",
}
"""Of the loss on series, by the head; of text it is nats per token."""


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
        recipe: a recipe, or the name or the path of one.
        out: the directory; by default `runs/<recipe>`, then `runs/<recipe>-2`, ...
        plugins: besides the installed ones: files (`"./mycell.py"`), modules, or declarations such
            as `CellPlugin("mycell", MyConfig, MyCell)`; `"no:NAME"` blocks an installed one.
        strict_plugins: an exception in a behaviour hook stops training; else it is logged once.
        callbacks: see `Trainer`; one with a method `text_tokenised(characters, total)` is told how far
            the text is tokenised before training begins.
    Returns:
        The run, with its best weights where there was validation data, else its last ones.
    Raises:
        RecipeError: with every fault of the recipe.
        SourceError: the data cannot be read, or is too short.
        RunError: the directory holds something already.
        PluginError: a plugin that was given cannot be loaded.
        NonFiniteError, AuditError: see `Trainer.fit`. Like Ctrl-C, and all else after the first step, they
            leave the weights of that moment, and the best ones, in the run.
    """
    registry = registry_with(plugins)
    recipe = build.resolved(recipe, registry)
    with build.process_for(recipe.train) as device:
        data = _prepare(recipe, callbacks)
        batches = data.training_batches(recipe.train)
        validation = data.validation_batches(recipe.train)
        _warn_of_short_splits(recipe.train, batches, validation)
        model = data.make_model(recipe).to(device)
        with rundir.claim(out, recipe.name) as path:
            run = _new_run(path, recipe, data, model)
            logger.info("the run is in %s", path)
            described = _write_first_files(run, registry, data)
            hooks = BehaviourHooks(registry, strict_plugins)
            keeper = KeepWeights(run, hooks)
            log = MetricsLog(path / rundir.METRICS, recipe.train.log_every, batches)
            trainer = Trainer(
                model,
                **build.make_training(recipe.train, model),
                callbacks=[log, keeper, CallPlugins(run, hooks), *callbacks],
            )
            try:
                _fit(trainer, recipe.train, batches, validation)
            except BaseException as stop:
                if not trainer.budget.step:
                    raise  # nothing was trained: the directory goes
                with whole():
                    trainer.history.ended_by = _reason(stop)
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
    """What `ended_by` says of a training that ended before its time."""
    return "an interrupt" if isinstance(stop, KeyboardInterrupt) else f"an error ({type(stop).__name__})"


def _log_stop(run: Run, trainer: Trainer, stopped: BaseException) -> None:
    """Log where a training stopped before its time, and what is kept of it."""
    how = "interrupted" if isinstance(stopped, KeyboardInterrupt) else "stopped"
    logger.warning("%s at step %d; what was trained is kept in %s", how, trainer.budget.step, run.path)
    best = trainer.history.best
    if best is not None and best.step != trainer.budget.step:
        logger.warning("it opens with the weights of step %d, its lowest validation loss", best.step)


def load(path: str | Path, device: str = "auto", *, plugins: Sequence[Any] = ()) -> Run:
    """Open a run directory; nothing else is read.

    Args:
        path: of the directory.
        device: where the model goes, whatever it was trained on.
        plugins: see `train`; a single-file plugin that the run was made with has to be given again.
    Returns:
        The run, with its best weights where there was validation data, else its last ones.
    Raises:
        RunError: there is no run, or it is incomplete or damaged.
        MissingPluginError: it was made with a plugin that is not installed, or not given.
    """
    path = Path(path)
    registry = registry_with(plugins)
    rundir.require_run(path)
    overrides = provenance.require_plugins(path, registry)
    recipe = Recipe.load(path / rundir.RECIPE).override(overrides).resolve(registry)
    run: TextRun | SeriesRun
    if recipe.series is None:
        tokenizer = build.open_tokenizer(recipe, rundir.read_json(path / rundir.TOKENIZER))
        run = TextRun(path, recipe, tokenizer, build.make_model(recipe, tokenizer.vocab_size))
    else:
        scaler = Scaler.from_json(rundir.read_json(path / rundir.SERIES))
        run = SeriesRun(path, recipe, scaler, build.make_model(recipe, None, len(scaler.features)))
    best = checkpoint.best_checkpoint(path / rundir.CHECKPOINTS)
    checkpoint.load_weights(run.model, best, build.choose_device(device))
    run.model.eval()
    return run


def _prepare(recipe: ResolvedRecipe, callbacks: Sequence[object]) -> build.TextData | build.SeriesData:
    """The data of a recipe, of the kind that it has."""
    if recipe.series is None:
        return build.prepare_text(recipe, on_progress=tell(callbacks))
    return build.prepare_series_data(recipe)


def _new_run(
    path: Path, recipe: ResolvedRecipe, data: build.TextData | build.SeriesData, model: SequenceModel
) -> Run:
    if isinstance(data, build.TextData):
        return TextRun(path, recipe, data.tokenizer, model)
    return SeriesRun(path, recipe, data.prepared.scaler, model)


def _warn_of_short_splits(train: TrainConfig, batches: Any, validation: Any) -> None:
    """Log where the training split gives fewer lanes than asked for, and where nothing is validated."""
    if isinstance(batches, Lanes) and batches.lanes < train.batch_size:
        logger.warning(
            "the training split has room for %d lanes of one window, not for train.batch_size = %d",
            batches.lanes,
            train.batch_size,
        )
    if validation is None:
        logger.warning("there is no validation split: the last weights are kept, not the best")


def _write_first_files(
    run: Run, registry: Registry, data: build.TextData | build.SeriesData
) -> dict[str, Any]:
    """All that a run directory holds before the first step; the provenance is returned."""
    described = provenance.describe(run.recipe, registry, data, run.model)
    run.recipe.save(run.path / rundir.RECIPE)
    rundir.write_json(run.path / rundir.PROVENANCE, described)
    provenance.keep_plugin_texts(run.path, registry)
    data.save(run.path)
    return described


def _finish(run: Run, trainer: Trainer, described: Mapping[str, Any]) -> None:
    """The best weights into the model; the end into the provenance; the picture."""
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
    unit = LOSS_UNITS.get(run.recipe.model.head, "nats per token")
    plot_loss(run.metrics, run.path / rundir.LOSS_PLOT, run.recipe.name, unit)
