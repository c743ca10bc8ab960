"""Callbacks of a run during training: they write metrics, keep weights, and call the plugins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from seqkit.data.writing import OnProgress
from seqkit.registry import BehaviourHooks
from seqkit.run import rundir
from seqkit.run.base import Run
from seqkit.training import Trainer, checkpoint
from seqkit.training.evaluation import Data, with_units


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

    def run_started(self, trainer: Trainer) -> None:
        """Start measuring."""
        self._trainer = trainer
        self._reading = trainer.meter.read()

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
        """Write the steps that are left."""
        self._flush(trainer)

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
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


class KeepWeights:
    """A callback of the trainer that saves the best weights to disk, and at the end the last ones."""

    def __init__(self, run: Run, hooks: BehaviourHooks) -> None:
        self._run, self._hooks = run, hooks
        self._best: Path | None = None

    def evaluated(self, trainer: Trainer, step: int, split: str, metrics: Mapping[str, Any]) -> None:
        """Save the weights if they are the best so far, and only then remove the previous ones."""
        best = trainer.history.best
        if best is None or best.step != step:
            return
        saved = self._save(best.weights, checkpoint.CheckpointInfo(step, best.loss))
        if self._best is not None:
            shutil.rmtree(self._best)
        self._best = saved

    def run_finished(self, trainer: Trainer) -> None:
        """Save the last weights."""
        step, evaluations = trainer.budget.step, trainer.history.evaluations
        if self._best is not None and trainer.history.best is not None and trainer.history.best.step == step:
            return  # the last weights are the best ones
        measured = bool(evaluations) and evaluations[-1]["step"] == step  # False after Ctrl-C
        loss = evaluations[-1]["loss"] if measured else None
        self._save(trainer.model.state_dict(), checkpoint.CheckpointInfo(step, loss))

    def _save(self, weights: Mapping[str, Tensor], info: checkpoint.CheckpointInfo) -> Path:
        saved = checkpoint.save_checkpoint(self._run.path / rundir.CHECKPOINTS, weights, info)
        self._hooks.call("seqkit_checkpoint_saved", run=self._run, path=saved)
        return saved


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
