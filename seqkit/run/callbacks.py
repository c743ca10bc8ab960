"""Callbacks of a run during training: they write metrics, keep weights, and call the plugins."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from seqkit.data.writing import OnProgress
from seqkit.errors import RunError, SaveError
from seqkit.files import open_file, sync
from seqkit.recipe import TrainConfig
from seqkit.registry import BehaviourHooks
from seqkit.run import rundir
from seqkit.run.base import Run
from seqkit.run.claim import require_claim
from seqkit.training import Trainer, checkpoint, keeping
from seqkit.training.evaluation import Data, with_units
from seqkit.training.manifest import MANIFEST, step_folder
from seqkit.training.meter import Reading
from seqkit.training.signals import note_save, whole
from seqkit.training.snapshot import Snapshot, name_of

logger = logging.getLogger(__name__)

SAVE_EVERY_S = 60.0
"""Seconds between two checkpoints, if the recipe does not say how many steps."""
MOST_OFTEN = 33
"""Times the duration of a save until the next one, at least: saving takes 3 % of the time."""


class MetricsLog:
    """A callback of the trainer that writes `metrics.jsonl`: training every `every` steps, and evaluations.

    Args:
        path: the file.
        every: number of steps per row; the row has their mean.
        data: the training data, for its units.
    """

    def __init__(self, path: Path, every: int, data: Data) -> None:
        self._path, self._every, self._data = path, every, data
        self._last: dict[str, Any] = {}
        self._bytes, self._digest = 0, hashlib.sha256()  # of what is in the file
        self._waiting = b""  # rows that could not be written yet

    def run_started(self, trainer: Trainer) -> None:
        """Start measuring."""
        self._trainer = trainer
        self._reading = trainer.meter.read()

    def state(self) -> dict[str, Any]:
        """The rows that are not in the file yet, and what is in it; all of that is on the disk."""
        try:
            if self._bytes:
                sync(self._path)
        except OSError as error:
            raise SaveError(f"{self._path} cannot be kept on the disk: {error.strerror}.") from error
        return {
            "reading": asdict(self._reading),
            "last": self._last,
            "waiting": self._waiting.decode(),
            "bytes": self._bytes,
            "sha256": self._digest.hexdigest(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Cut the file back to where the state was taken.

        Raises:
            RunError: the file has changed before that place.
        """
        saved = _LogState.model_validate(state)
        self._digest = _digest_before(self._path, saved)
        self._reading, self._last = saved.reading, saved.last
        self._waiting, self._bytes = saved.waiting.encode(), saved.bytes
        if saved.bytes:
            os.truncate(self._path, saved.bytes)
        else:
            self._path.unlink(missing_ok=True)

    def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, Any]) -> None:
        """Write a row if one is due."""
        self._last = {"step": step, **metrics}
        if trainer.meter.read().steps - self._reading.steps >= self._every:
            self._flush(trainer)

    def evaluated(self, trainer: Trainer, step: int, split: str, metrics: dict[str, Any]) -> None:
        """Write a row."""
        self._flush(trainer)
        self._write({"step": step, "split": split, **metrics})

    def run_finished(self, trainer: Trainer) -> None:
        """Write the steps that are left.

        Raises:
            SaveError: they cannot be written.
        """
        self._flush(trainer)
        error = self._write_waiting()
        if error is not None:
            raise SaveError(
                f"the last rows cannot be written to {self._path}: {error.strerror}.\n"
                "  Free some space, and resume the run: nothing else is lost."
            )

    def _flush(self, trainer: Trainer) -> None:
        before, self._reading = self._reading, trainer.meter.read()
        if self._reading.steps == before.steps:
            return
        summary = trainer.meter.since(before)
        row = {"step": self._last["step"], "epoch": self._last["epoch"], "split": "train", **summary}
        row |= {key: self._last[key] for key in ("learning_rate", "gradient_norm")}
        self._write(with_units(self._data, row))

    def _write(self, row: dict[str, Any]) -> None:
        row["elapsed_s"] = round(self._trainer.meter.look(), 3)
        had_waited = bool(self._waiting)
        self._waiting += (json.dumps(row) + "\n").encode()
        error = self._write_waiting()
        if error is not None and not had_waited:
            logger.warning("%s cannot be written: %s. Its rows are written later", self._path, error.strerror)

    def _write_waiting(self) -> OSError | None:
        """Write the rows that wait; the error if that is not possible now."""
        if not self._waiting:
            return None
        try:
            if not self._bytes:  # an earlier training may have left rows
                self._path.unlink(missing_ok=True)
            with self._path.open("ab", buffering=0) as file:
                if file.write(self._waiting) < len(self._waiting):
                    file.truncate(self._bytes)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            return error
        self._bytes += len(self._waiting)
        self._digest.update(self._waiting)
        self._waiting = b""
        return None


class _LogState(BaseModel):
    """What a snapshot has of a `MetricsLog`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    reading: Reading
    last: dict[str, Any]
    waiting: str = ""
    bytes: int = Field(ge=0, le=rundir.METRICS_BYTES)
    sha256: str


def require_rows(path: Path, values: Mapping[str, Any]) -> None:
    """Check that `metrics.jsonl` still has the rows that it had when a snapshot was taken.

    Args:
        path: the file.
        values: those of the snapshot.
    Raises:
        RunError: it has changed since.
    """
    for name, state in values["callbacks"]:
        if name == name_of(MetricsLog):
            try:
                _digest_before(path, _LogState.model_validate(state))
            except ValidationError as error:
                raise RunError(f"the snapshot has no state of {path}.") from error


def _digest_before(path: Path, saved: _LogState) -> Any:
    """The digest of the part of the file that was there when the state was taken.

    Raises:
        RunError: that part has changed since.
    """
    digest = hashlib.sha256()
    if saved.bytes and not os.path.lexists(path):
        raise RunError(f"{path} is missing.\n{_way_on(path)}")
    if saved.bytes:
        left = saved.bytes
        with open_file(path, limit=rundir.METRICS_BYTES) as file:
            while left and (block := file.read(min(left, 2**20))):
                digest.update(block)
                left -= len(block)
    if digest.hexdigest() != saved.sha256:
        raise RunError(
            f"{path} is damaged: it has changed within its first {saved.bytes:,} bytes.\n{_way_on(path)}"
        )
    return digest


def _way_on(path: Path) -> str:
    run = f"{path.parent}{os.sep}"
    return (
        "  Restore it from a copy; or train on from the weights alone: "
        f"seqkit run {run} --from {run} --out OTHER."
    )


class SaveCheckpoints:
    """A callback of the trainer that saves the best weights, and everything that training needs to continue.

    Args:
        run: the run.
        hooks: called after each checkpoint.
        train: when to save, and how many checkpoints to keep.
        files: SHA-256 of the files of the run that a checkpoint belongs to.
    """

    every_s = SAVE_EVERY_S

    def __init__(self, run: Run, hooks: BehaviourHooks, train: TrainConfig, files: Mapping[str, str]) -> None:
        self._run, self._hooks, self._train, self._files = run, hooks, train, files
        self._folder = run.path / rundir.CHECKPOINTS
        self._saved_at, self._took_s = time.monotonic(), 0.0
        self._best_saved: int | None = None
        self._has_begun = False

    def evaluated(self, trainer: Trainer, step: int, split: str, metrics: Mapping[str, Any]) -> None:
        """Save the weights if they are the best so far."""
        with self._warnings():
            self._save_best(trainer)

    def step_ended(self, trainer: Trainer, step: int) -> None:
        """Save a checkpoint if one is due."""
        require_claim(self._run.path)
        if not self._has_begun:  # it may have been resumed, and has not ended
            (self._run.path / rundir.ENDED).unlink(missing_ok=True)
            self._has_begun = True
        if self._is_due(step) and not trainer.status.ended_by:  # at the end run_finished saves
            with self._warnings():
                self.save(trainer)

    def run_finished(self, trainer: Trainer) -> None:
        """Save the last checkpoint."""
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Save everything that training needs to continue, and remove checkpoints that are not needed.

        Raises:
            SaveError: it cannot be written; the one before is kept.
            LostClaimError: another process writes to the directory.
        """
        require_claim(self._run.path)
        with whole():
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        began = time.monotonic()
        self._save_best(trainer)
        snapshot, evaluations = trainer.snapshot(), trainer.history.evaluations
        step = trainer.status.step
        loss = evaluations[-1]["loss"] if evaluations and evaluations[-1]["step"] == step else None
        self._write(snapshot.weights, step, loss, trainer, snapshot)
        keeping.prune(self._folder, self._train.keep_checkpoints)
        self._saved_at = time.monotonic()
        self._took_s = self._saved_at - began
        note_save(self._took_s)

    @contextmanager
    def _warnings(self) -> Iterator[None]:
        """A checkpoint that cannot be written is a warning; the next one is tried in its time."""
        try:
            yield
        except SaveError as error:
            self._saved_at = time.monotonic()
            logger.warning("%s", error)

    def _is_due(self, step: int) -> bool:
        every = self._train.save_every
        if every is not None:
            return step % every == 0
        return time.monotonic() - self._saved_at >= max(self.every_s, MOST_OFTEN * self._took_s)

    def _save_best(self, trainer: Trainer) -> None:
        best = trainer.status.best
        if best is not None and best.step != self._best_saved:
            self._write(best.weights, best.step, best.loss, trainer, None)
            self._best_saved = best.step
            keeping.prune(self._folder, self._train.keep_checkpoints)

    def _write(
        self,
        weights: Mapping[str, Tensor],
        step: int,
        loss: float | None,
        trainer: Trainer,
        snapshot: Snapshot | None,
    ) -> None:
        best = trainer.status.best
        is_new = not (step_folder(self._folder, step) / MANIFEST).exists()
        saved = checkpoint.save_checkpoint(
            self._folder,
            weights,
            step,
            loss,
            best_step=None if best is None else best.step,
            snapshot=snapshot,
            run=self._files,
        )
        if is_new:
            self._hooks.call("seqkit_checkpoint_saved", run=self._run, path=saved)


class CallPlugins:
    """A callback of the trainer that passes its events on to the plugins."""

    def __init__(self, run: Run, hooks: BehaviourHooks) -> None:
        self._run, self._hooks = run, hooks

    def run_started(self, trainer: Trainer) -> None:
        """Report that training begins."""
        self._hooks.call("seqkit_run_started", run=self._run)

    def step_finished(self, trainer: Trainer, step: int, metrics: Mapping[str, Any]) -> None:
        """Report that a step is done."""
        self._hooks.call("seqkit_step_finished", run=self._run, step=step, metrics=metrics)

    def evaluated(self, trainer: Trainer, step: int, split: str, metrics: Mapping[str, Any]) -> None:
        """Report that a split was evaluated."""
        self._hooks.call("seqkit_evaluated", run=self._run, step=step, split=split, metrics=metrics)


def progress_of(callbacks: Sequence[Any]) -> OnProgress:
    """Pass the progress of tokenising to the callbacks that have a method `text_tokenised`."""
    listeners = [method for each in callbacks if (method := getattr(each, "text_tokenised", None))]

    def on_progress(characters: int, total: int | None) -> None:
        for listener in listeners:
            listener(characters, total)

    return on_progress
