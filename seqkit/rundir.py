"""The files of a run directory.

recipe.toml          fully resolved
provenance.json      versions, components, device, engine, seed, fingerprints of the data
tokenizer.json
metrics.jsonl        one JSON object a line
checkpoints/         the best weights and the last ones
loss.png
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqkit.data.lanes import Lanes, Windows
from seqkit.errors import RunError
from seqkit.training import Trainer
from seqkit.training.history import Meter

RECIPE = "recipe.toml"
PROVENANCE = "provenance.json"
TOKENIZER = "tokenizer.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
LOSS_PLOT = "loss.png"


def claim(out: str | Path | None, name: str) -> Path:
    """A new, empty directory for a run: `out`, or the first free of `runs/<name>`, `runs/<name>-2`, ...

    Raises:
        RunError: `out` holds something already, or cannot be made.
    """
    try:
        if out is None:
            for number in itertools.count(1):
                path = Path("runs", name if number == 1 else f"{name}-{number}")
                path.parent.mkdir(exist_ok=True)
                try:
                    path.mkdir()  # fails where another process was first
                except FileExistsError:
                    continue
                return path
        path = Path(out)  # type: ignore[arg-type]  # None returned above
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            what = "holds another run" if (path / RECIPE).exists() else "is not empty"
            raise RunError(f"{path} {what}; nothing was written.\n  Choose another --out, or delete it.")
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be made: {error.strerror}.\n  Choose another directory (--out)."
        ) from error
    return path


def require_run(path: Path) -> None:
    """Raise RunError where a directory holds no run."""
    if not path.is_dir():
        there = Path("runs") / path.name
        hint = f" Did you mean {there}?" if (there / RECIPE).is_file() else ""
        raise RunError(f"there is no run directory {path}.{hint}")
    if not (path / RECIPE).is_file():
        inner = sorted(folder.name for folder in path.iterdir() if (folder / RECIPE).is_file())
        hint = f" It holds runs, though: {', '.join(inner)}." if inner else ""
        raise RunError(f"{path} is not a run: there is no {RECIPE} in it.{hint}")


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    os.replace(partial, path)


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from error


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`; a last line that was cut off when the run was killed is left out."""
    if not (path / METRICS).exists():
        return []  # the run was killed before its first row
    rows = []
    for line in (path / METRICS).read_text("utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            rows.append(json.loads(line))
    return rows


def lowest_validation(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the lowest validation loss; None where there was no validation split."""
    measured = [row for row in rows if row["split"] == "validation"]
    return min(measured, key=lambda row: float(row["loss"]), default=None)


class MetricsLog:
    """A callback of the trainer that writes `metrics.jsonl`: training every `every` steps, and evaluations.

    Args:
        path: of the file.
        every: steps a row; it holds their mean.
        data: the training data, for its units.
    """

    def __init__(self, path: Path, every: int, data: Windows | Lanes) -> None:
        self._path, self._every, self._data = path, every, data
        self._meter = Meter()
        self._steps = 0
        self._last: dict[str, Any] = {}

    def run_started(self, trainer: Trainer) -> None:
        """Begin to measure time."""
        self._began = time.perf_counter()
        self._meter = Meter()

    def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, Any]) -> None:
        """Add a step; write a row where it is due."""
        self._meter.add(metrics["loss"], metrics["tokens"])
        self._steps += 1
        self._last = {"step": step, **metrics}
        if self._steps >= self._every:
            self._flush()

    def evaluated(self, trainer: Trainer, step: int, split: str, metrics: dict[str, Any]) -> None:
        """Write a row; the time that evaluation took does not count as training."""
        self._flush()
        self._write({"step": step, "split": split, **metrics})
        self._meter = Meter()

    def run_finished(self, trainer: Trainer) -> None:
        """Write what is left."""
        self._flush()

    def _flush(self) -> None:
        if not self._steps:
            return
        summary = self._meter.summary()
        row = {"step": self._last["step"], "epoch": self._last["epoch"], "split": "train", **summary}
        row |= {key: self._last[key] for key in ("learning_rate", "gradient_norm")}
        self._write({**row, **self._data.metrics(summary["loss"])})
        self._meter, self._steps = Meter(), 0

    def _write(self, row: dict[str, Any]) -> None:
        row["elapsed_s"] = round(time.perf_counter() - self._began, 3)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
