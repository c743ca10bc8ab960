"""The runs in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from seqkit.errors import RunError
from seqkit.run import rundir
from seqkit.run.claim import is_being_written


@dataclass(frozen=True)
class Listed:
    """One run, from its small files; nothing is loaded.

    Args:
        path: the run directory.
        recipe: name of the recipe.
        steps: number of steps that were trained; None before the first row of metrics.
        best_loss: lowest validation loss; None without one.
        ended_by: how the training ended; "is being written", "was stopped" or the damage if it did not.
        size_bytes: size of all of its files.
        changed: when a file of it was last written.
    """

    path: Path
    recipe: str
    steps: int | None
    best_loss: float | None
    ended_by: str
    size_bytes: int
    changed: datetime


def list_runs(folder: Path) -> list[Listed]:
    """The runs in a folder and in its folders of seeds, the newest first."""
    found = [
        _listed(file.parent)
        for pattern in ("*", "*/seed-*")
        for file in folder.glob(f"{pattern}/{rundir.RECIPE}")
        if (file.parent / rundir.PROVENANCE).exists()
    ]
    return sorted(found, key=lambda run: run.changed, reverse=True)


def _listed(path: Path) -> Listed:
    files = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    recipe, steps, best_loss = path.name, None, None
    try:
        described = rundir.read_provenance(path)
        recipe = str(described.get("recipe", path.name))
        rows = rundir.read_metrics(path)
        best, last = rundir.lowest_validation(rows), rows[-1] if rows else {}
        steps, best_loss = last.get("step"), None if best is None else float(best["loss"])
        ended_by = _ended_by(path, described)
    except RunError as error:
        ended_by = f"damaged: {error}"
    return Listed(
        path,
        recipe,
        steps,
        best_loss,
        ended_by,
        sum(file.stat().st_size for file in files),
        datetime.fromtimestamp(max((os.stat(file).st_mtime for file in files), default=0.0)),
    )


def _ended_by(path: Path, described: dict[str, Any]) -> str:
    if is_being_written(path):
        return "is being written"
    return str(described.get("ended_by", "was stopped"))
