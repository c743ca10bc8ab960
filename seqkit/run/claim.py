"""The claim: the right of one process to write to a run directory.

It is a lock on `.lock`, held until the training ends. Where a file system has no locks it is a lease,
`.lock.lease`, which its holder renews; if it is not renewed for half a minute, another process may take it.
"""

from __future__ import annotations

import itertools
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, SoftFileLease, Timeout

from seqkit.errors import LostClaimError, RunError
from seqkit.files import remove
from seqkit.locks import LEASE_S, acquire, is_held, lease_of
from seqkit.run import rundir
from seqkit.run.rundir import (
    CHECKPOINTS,
    CLAIM,
    LEASE,
    LOCK,
    LOCKS,
    MANIFEST,
    METRICS,
    PLUGIN_TEXTS,
    RECIPE,
    SEEDS,
    write_json,
)

logger = logging.getLogger(__name__)

_lost: set[Path] = set()


@contextmanager
def claim(out: str | Path | None, name: str, *, resume: bool = False) -> Iterator[Path]:
    """A new, empty run directory that only this process may write to, until the end of the block.

    If the block ends with an exception and the directory has no weights in it, it is removed.

    Args:
        out: the directory; by default the first free of `runs/<name>`, `runs/<name>-2`, ...
        name: the recipe's name.
        resume: `out` may hold a run already.
    Raises:
        RunError: `out` is not empty, another process writes to it, or it cannot be created.
    """
    try:
        path, lock = _locked(out, name, resume)
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be created: {error.strerror}.\n  Choose another directory (--out)."
        ) from error
    is_new = not any((path / name).exists() for name in (RECIPE, SEEDS))
    try:
        yield path
    except BaseException:
        if is_new and path not in _lost and not any(path.rglob(MANIFEST)):
            _empty(path)
        raise
    finally:
        if path not in _lost:
            # Removed while it is locked: who has just opened it sees that it is gone, and tries again.
            for file in (CLAIM, LOCK):
                with suppress(OSError):
                    (path / file).unlink()
            if isinstance(lock, SoftFileLease):
                lock.release()  # which removes its file
            with suppress(OSError):
                path.rmdir()  # if nothing is left in it
        _lost.discard(path)
        lock.release()


def require_claim(path: Path) -> None:
    """Check that this process still has the claim on a directory; a lease can be lost.

    Raises:
        LostClaimError: another process has taken the lease.
    """
    if path in _lost:
        raise LostClaimError(
            f"{path} is being written{_holder(path)}: this process did not renew its lease in time.\n"
            "  Nothing more is written to it from here."
        )


def _locked(out: str | Path | None, name: str, resume: bool) -> tuple[Path, BaseFileLock]:
    """The directory that `claim` yields, and the lock on it."""
    for number in itertools.count(1):
        numbered = Path("runs", name if number == 1 else f"{name}-{number}")
        path = numbered if out is None else Path(out)
        try:
            path.mkdir(parents=True, exist_ok=out is not None)
        except FileExistsError:
            if out is not None:
                raise
            continue  # another process was first
        try:
            lock = _lock(path)
        except Timeout:
            raise RunError(
                f"{path} is being written{_holder(path)}; nothing was changed.\n"
                + ("  Wait for its end." if resume else "  Choose another directory (--out).")
            ) from None
        except FileNotFoundError:
            continue  # its holder has just removed it
        _sweep_what_never_began(path)
        inside = {entry.name for entry in path.iterdir()} - LOCKS
        if inside and not (resume and inside & {RECIPE, SEEDS}):
            if not isinstance(lock, SoftFileLease):
                with suppress(OSError):
                    (path / LOCK).unlink()
            lock.release()
            what = "holds another run" if inside & {RECIPE, SEEDS} else "is not empty"
            raise RunError(
                f"{path} {what}; nothing was written.\n"
                "  Choose another directory (--out, or out= in Python), or delete it."
                + (" To continue the run: --resume." if inside & {RECIPE, SEEDS} else "")
            )
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        write_json(path / CLAIM, {"process": os.getpid(), "host": platform.node(), "since": since})
        return path, lock
    raise AssertionError("unreachable")


def _lock(path: Path) -> BaseFileLock:
    """The lock on a directory.

    Raises:
        Timeout: another process has it.
    """

    def take(**how: Any) -> BaseFileLock:
        return acquire(path / LOCK, blocking=False, on_lost=lambda: _lost.add(path), **how)

    try:
        return take()
    except Timeout:
        if not lease_of(path / LOCK).exists() or f" on {platform.node()}," in _holder(path):
            raise  # that process is alive
    logger.warning("waiting for up to %d s: the lease is that of another machine", LEASE_S + 5)
    return take(timeout=LEASE_S + 5)


def _holder(path: Path) -> str:
    """The process that writes to the directory, as far as it is known."""
    holder = _holder_of(path)
    if holder is None:
        return " by another process"  # which has not written its claim yet
    return f" by process {holder['process']} on {holder['host']}, since {holder['since']}"


def _holder_of(path: Path) -> dict[str, Any] | None:
    try:
        holder = rundir.read_object(path / CLAIM)
    except RunError:
        return None
    return holder if {"process", "host", "since"} <= holder.keys() else None


def is_being_written(path: Path) -> bool:
    """Whether a process claims the directory."""
    if lease_of(path / LOCK).exists():
        return _holder_of(path) is not None
    return is_held(path / LOCK)


def _sweep_what_never_began(path: Path) -> None:
    """Empty a directory whose holder was killed before it was a run: nothing but its first files is in it."""
    names = {entry.name for entry in path.iterdir()}
    is_begun = bool(names & {RECIPE, SEEDS, METRICS, CHECKPOINTS})
    if is_begun or not names & {CLAIM, f"{CLAIM}.partial"}:
        return
    if all(name in LOCKS or name == PLUGIN_TEXTS or name.endswith((".json", ".partial")) for name in names):
        _empty(path)


def _empty(path: Path) -> None:
    """Remove everything in a directory except the lock."""
    for entry in path.iterdir():
        if entry.name not in (LOCK, LEASE):
            remove(entry)
