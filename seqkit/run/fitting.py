"""The training of a run that is set up: it is saved and closed, however it ends."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from seqkit.errors import RankError, RunError, SaveError
from seqkit.plots import plot_loss
from seqkit.registry import BehaviourHooks
from seqkit.run import rundir
from seqkit.run.base import Run
from seqkit.run.callbacks import CallPlugins, MetricsLog, SaveCheckpoints
from seqkit.run.setup import make_training
from seqkit.tasks import Task
from seqkit.training import Trainer
from seqkit.training.manifest import list_checkpoints
from seqkit.training.ranks import Ranks
from seqkit.training.signals import Interrupted, heed, noting, whole
from seqkit.training.snapshot import Snapshot

logger = logging.getLogger(__name__)


def fit(
    run: Run,
    task: Task,
    batches: Any,
    validation: Any,
    start: Snapshot | None,
    *,
    hooks: BehaviourHooks,
    callbacks: Sequence[object],
    ranks: Ranks,
) -> None:
    """Train, save and close the run; an exception after the first step leaves a checkpoint of that moment.

    Of several processes, the first writes the files and calls the hooks; each calls its own callbacks.

    Args:
        run: the run, whose directory has all files except those of its training.
        task: the task of its recipe.
        batches, validation: its training data, and its validation data if there is any.
        start: where the training continues; None for the beginning.
        hooks, callbacks: called with its progress.
        ranks: the processes that train it.
    """
    train, saving = run.recipe.train, None
    with ranks.agreed():
        trainer = Trainer(run.model, **make_training(train, run.model), callbacks=callbacks, ranks=ranks)
        if ranks.first:
            saver = SaveCheckpoints(run, hooks, train, rundir.files_of_run(run.path, task.file))
            log = MetricsLog(run.path / rundir.METRICS, train.log_every, batches)
            trainer.callbacks = [log, saver, CallPlugins(run, hooks), *callbacks]
            saving = saver, log
    began_at = 0 if start is None else start.values["step"]
    try:
        trainer.fit(
            batches,
            epochs=train.epochs,
            steps=train.steps,
            minutes=train.minutes,
            validation=validation,
            evaluate_every=train.evaluate_every,
            patience=train.patience,
            start=start,
        )
    except BaseException as stop:
        heed()
        try:
            if saving is not None:
                _save_what_there_is(run, task, trainer, stop, began_at, *saving)
        finally:
            with noting():  # a signal must neither cut this short nor take the place of the exception
                ranks.close()  # the first process has needed the states of the others
        if isinstance(stop, Interrupted) and trainer.status.step not in (0, began_at):
            stop.path = run.path
        raise
    if not ranks.first:
        _open_best(run, trainer)
        return
    with whole():
        if start is not None and trainer.status.step == began_at:
            logger.warning(
                "%s: nothing is left to train; it ended by %s, at step %d",
                *(run.path, trainer.history.ended_by, trainer.status.step),
            )
        _finish(run, task, trainer, finished=True)
    hooks.call("seqkit_run_finished", run=run)


def _save_what_there_is(
    run: Run,
    task: Task,
    trainer: Trainer,
    stop: BaseException,
    began_at: int,
    saver: SaveCheckpoints,
    log: MetricsLog,
) -> None:
    """Save a training that an exception has ended.

    Raises:
        RankError: another process has gone, and with it its part of the state.
    """
    step = trainer.status.step
    if trainer.ranks.lost is not None:
        found = list_checkpoints(run.path / rundir.CHECKPOINTS)
        steps = [each.step for each in found.values() if each.can_be_resumed]
        kept = f"the last checkpoint is step {steps[-1]}" if steps else "there is none to resume from yet"
        way_on = f"\n  To continue: seqkit resume {run.path}, with any number of processes." if steps else ""
        if stop is not trainer.ranks.lost:
            logger.warning("%s at step %d; %s.%s", _how(stop), step, kept, way_on)
            return
        lost = RankError(f"{stop} at step {step}; {kept}.{way_on}")
        lost.reporter = stop.reporter
        raise lost from stop
    if step in (0, began_at):  # a new directory goes, that of a run is as it was
        logger.warning("%s before its first step: there is nothing to save", _how(stop))
        return
    try:
        with whole():
            trainer.status.ended_by = _reason(stop)
            saver.save(trainer)
            log.run_finished(trainer)
            _finish(run, task, trainer, finished=False)
            _log_stop(run, trainer, stop)
    except Interrupted as second:  # it came in the block, and is raised at its end
        if isinstance(second.__context__, SaveError):
            raise second.__context__ from stop
        second.path = run.path
        raise


def _reason(stop: BaseException) -> str:
    """Value of `ended_by` for a training that ended early, such as `"SIGTERM"`."""
    if isinstance(stop, Interrupted):
        return signal.Signals(stop.number).name
    return "SIGINT" if isinstance(stop, KeyboardInterrupt) else f"an error ({type(stop).__name__})"


def _log_stop(run: Run, trainer: Trainer, stopped: BaseException) -> None:
    """Log at which step a training ended early, and what is kept of it."""
    logger.warning("%s at step %d; everything is saved in %s", _how(stopped), trainer.status.step, run.path)
    best = trainer.history.best
    if best is not None and best.step != trainer.status.step:
        logger.warning("the run opens with the weights of step %d, its lowest validation loss", best.step)
    logger.warning("To continue: seqkit resume %s", run.path)


def _how(stopped: BaseException) -> str:
    return "interrupted" if isinstance(stopped, KeyboardInterrupt) else "stopped"


def _open_best(run: Run, trainer: Trainer) -> None:
    """Load the best weights into the model, for use."""
    best = trainer.history.best
    if best is not None:
        run.model.load_state_dict(best.weights)
    run.model.eval()


def _finish(run: Run, task: Task, trainer: Trainer, *, finished: bool) -> None:
    """Load the best weights into the model, add how training ended to the provenance, and plot the loss."""
    history = trainer.history
    _open_best(run, trainer)
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
        "finished": finished,
        "steps": trainer.status.step,
        "ended_higher": history.ended_higher is not None,
        "tokens": history.tokens,
        "training_s": history.training_s,
    }
    file = run.path / rundir.ENDED
    before: dict[str, Any] = {}
    if run.model.engine_ran is None:  # no step was taken
        with suppress(RunError):
            before = rundir.read_object(file)
    if not before or before.get("finished") is False:
        rundir.write_json(file, {**ended, "engine": before.get("engine", ended["engine"])})
    unit = task.loss_unit(run.recipe.head.use)
    plot_loss(run.metrics, run.path / rundir.LOSS_PLOT, run.recipe.name, unit)
