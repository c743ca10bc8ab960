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
.lock, .claim.json   while a process writes in it: the lock, and who holds it
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from seqkit.errors import RunError

RECIPE = "recipe.toml"
PROVENANCE = "provenance.json"
TOKENIZER = "tokenizer.json"
SERIES = "series.json"
CONTROL = "control.json"
REPORT = "report.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
CHECKPOINT = "checkpoint.json"
LOSS_PLOT = "loss.png"
LOCK = ".lock"
CLAIM = ".claim.json"


@contextmanager
def claim(out: str | Path | None, name: str) -> Iterator[Path]:
    """A new, empty directory for a run that this process alone may write in, until the end of the block.

    A directory that holds no weights when the block ends with an exception is removed.

    Args:
        out: the directory; by default the first free of `runs/<name>`, `runs/<name>-2`, ...
        name: of the recipe.
    Raises:
        RunError: `out` holds something already, another process writes in it, or it cannot be made.
    """
    try:
        path, lock = _locked(out, name)
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be made: {error.strerror}.\n  Choose another directory (--out)."
        ) from error
    try:
        yield path
    except BaseException:
        if not any(path.rglob(CHECKPOINT)):
            _empty(path)
        raise
    finally:
        # Removed while it is locked: whoever has opened it meanwhile sees that it is gone, and tries again.
        for file in (CLAIM, LOCK):
            with suppress(OSError):
                (path / file).unlink()
        with suppress(OSError):
            path.rmdir()  # where nothing is left in it
        lock.release()


def _locked(out: str | Path | None, name: str) -> tuple[Path, BaseFileLock]:
    """The directory that `claim` promises, and the lock on it."""
    for number in itertools.count(1):
        numbered = Path("runs", name if number == 1 else f"{name}-{number}")
        path = numbered if out is None else Path(out)
        try:
            path.mkdir(parents=True, exist_ok=out is not None)
        except FileExistsError:
            if out is not None:
                raise
            continue  # another process was first
        lock = FileLock(path / LOCK, blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(
                f"{path} is being written{_holder(path)}; nothing was changed.\n  Choose another --out."
            ) from None
        except FileNotFoundError:
            continue  # its holder has just removed it
        inside = {entry.name for entry in path.iterdir()} - {LOCK, CLAIM}
        if inside:
            with suppress(OSError):
                (path / LOCK).unlink()
            lock.release()
            what = "holds another run" if RECIPE in inside else "is not empty"
            raise RunError(
                f"{path} {what}; nothing was written.\n"
                "  Choose another directory (--out, or out= in Python), or delete it."
            )
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        write_json(path / CLAIM, {"process": os.getpid(), "host": platform.node(), "since": since})
        return path, lock
    raise AssertionError("unreachable")


def _holder(path: Path) -> str:
    """Who writes in the directory, as far as is known."""
    try:
        holder = json.loads((path / CLAIM).read_text("utf-8"))
        return f" by process {holder['process']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return " by another process"  # which has not said yet who it is


def _empty(path: Path) -> None:
    """Remove all that is in a directory, but for the lock."""
    for entry in path.iterdir():
        if entry.name != LOCK:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def require_run(path: Path) -> None:
    """Raise RunError where a directory holds no run."""
    if not os.path.isdir(path):  # which takes a name that is too long as well
        there = Path("runs") / path.name
        hint = f" Did you mean {there}?" if os.path.isfile(there / RECIPE) else ""
        raise RunError(f"there is no run directory {path}.{hint}")
    if not (path / RECIPE).is_file():
        inner = sorted(str(folder) for folder in path.iterdir() if (folder / RECIPE).is_file())
        hint = f"\n  It holds runs; give one of them: {', '.join(inner)}." if inner else ""
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


def tokens_per_s(path: Path) -> float:
    """Tokens a second of a whole run, without evaluation: what is said at its end."""
    ended = read_json(path / PROVENANCE)
    return float(ended["tokens"] / max(ended["training_s"], 1e-9))


def lowest_validation(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the lowest validation loss; None where there was no validation split."""
    measured = [row for row in rows if row["split"] == "validation"]
    return min(measured, key=lambda row: float(row["loss"]), default=None)
