"""The files of a run directory.

recipe.toml          fully resolved
provenance.json      versions, components, device, engine, seed, fingerprints of the data
tokenizer.json       runs on text: the tokenizer
series.json          runs on series: the scaler, and the dates of the splits
metrics.jsonl        one JSON object per line
checkpoints/         the best weights, and what training can be resumed from
resumed.json         overrides of every time that it was resumed
seeds.json           directory of several seeds: how many there are to be
ended.json           how and when it ended: engine, steps, tokens, seconds
loss.png
report.json          runs on series: the report; its pictures are in the same directory
control.json         runs on series, after `evaluate --control`
.lock, .claim.json   while a process writes to it: the lock, and which process holds it
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqkit.errors import RunError
from seqkit.files import open_file, read_file, replacing

RECIPE = "recipe.toml"
PROVENANCE = "provenance.json"
TOKENIZER = "tokenizer.json"
SERIES = "series.json"
CONTROL = "control.json"
REPORT = "report.json"
SEEDS = "seeds.json"
RESUMED = "resumed.json"
ENDED = "ended.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
PLUGIN_TEXTS = "plugins"
MANIFEST = "MANIFEST.json"  # of a checkpoint; seqkit.training.checkpoint, which writes it, imports torch
LOSS_PLOT = "loss.png"
METRICS_BYTES = 2**34
"""Size of the log of metrics that is read, at most: 16 GiB."""
LINE_BYTES = 2**20
"""Length of a line of it, at most."""
LOCK, LEASE = ".lock", ".lock.lease"
CLAIM = ".claim.json"
LOCKS = frozenset({LOCK, LEASE, CLAIM})


def require_run(path: Path) -> None:
    """Raise RunError if a directory holds no run."""
    if not os.path.isdir(path):  # which accepts a name that is too long as well
        there = Path("runs") / path.name
        hint = f" Did you mean {there}?" if os.path.isfile(there / RECIPE) else ""
        raise RunError(f"there is no run directory {path}.{hint}")
    if not (path / RECIPE).is_file():
        inner = sorted(str(folder) for folder in path.iterdir() if (folder / RECIPE).is_file())
        hint = f"\n  It contains runs; choose one of them: {', '.join(inner)}." if inner else ""
        raise RunError(f"{path} is not a run: there is no {RECIPE} in it.{hint}")
    read_file(path / RECIPE)  # a regular file of bounded size


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees either the whole old file or the whole new one.

    Raises:
        SaveError: it cannot be written.
    """
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        RunError: the file is missing or damaged.
    """
    data = read_file(path)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from error


def read_recipe(path: Path) -> str:
    """The text of the recipe of a run.

    Raises:
        RunError: the file is missing, or is not TOML.
    """
    file = path / RECIPE
    try:
        text = read_file(file).decode()
        tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RunError(f"{file} is damaged: it is not valid TOML: {error}.") from error
    return text


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: the file is missing or damaged, or holds something else.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise RunError(f"{path} is damaged: it holds no JSON object.")
    return found


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`; a last line that was cut off when the run was killed is left out.

    Raises:
        RunError: a line is not a row of metrics.
    """
    file = path / METRICS
    rows: list[dict[str, Any]] = []
    if not os.path.lexists(file):
        return []  # the run was killed before its first row
    with open_file(file, limit=METRICS_BYTES) as stream:
        for number in itertools.count(1):
            line = stream.readline(LINE_BYTES)
            if not line.endswith(b"\n"):
                if len(line) < LINE_BYTES:
                    return rows
                raise RunError(f"{file} is damaged: line {number} does not end.")
            try:
                row = json.loads(line)
                float(row["loss"])
                is_row = isinstance(row["step"], int)
            except (ValueError, RecursionError, TypeError, KeyError, OverflowError):
                is_row = False
            if not is_row:
                raise RunError(f"{file} is damaged: line {number} is not a row with a step and a loss.")
            rows.append(row)
    raise AssertionError("unreachable")


def tokens_per_s(path: Path) -> float:
    """Tokens per second of a whole run, without evaluation, as printed at its end."""
    ended = read_provenance(path)
    return float(ended["tokens"] / max(ended["training_s"], 1e-9))


def read_provenance(path: Path) -> dict[str, Any]:
    """What a run was built from, and, once it has ended, how it ended."""
    ended = read_object(path / ENDED) if (path / ENDED).exists() else {}
    return {**read_object(path / PROVENANCE), **ended}


def files_of_run(path: Path, kept: str) -> dict[str, str]:
    """SHA-256 of the files that a checkpoint belongs to, by name.

    Args:
        path: the run directory.
        kept: the file of what the task keeps, such as the tokenizer.
    """
    return {name: digest(path / name) for name in (RECIPE, PROVENANCE, kept)}


def digest(file: Path) -> str:
    """SHA-256 of a file of a run."""
    return hashlib.sha256(read_file(file)).hexdigest()


def lowest_validation(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the lowest validation loss; None if there was no validation split."""
    measured = [row for row in rows if row.get("split") == "validation"]
    return min(measured, key=lambda row: float(row["loss"]), default=None)
