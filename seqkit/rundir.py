"""The files of a run directory.

recipe.toml          fully resolved
provenance.json      versions, components, device, engine, seed, fingerprints of the data
tokenizer.json       of a run on text
series.json          of a run on series: the scaler, and the dates of the splits
metrics.jsonl        one JSON object a line
checkpoints/         the best weights and the last ones
loss.png
report.json          of a run on series: what the report says; its pictures lie beside it
control.json         of a run on series, after `evaluate --control`
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqkit.errors import RunError

RECIPE = "recipe.toml"
PROVENANCE = "provenance.json"
TOKENIZER = "tokenizer.json"
SERIES = "series.json"
CONTROL = "control.json"
REPORT = "report.json"
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
