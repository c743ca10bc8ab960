"""Which checkpoints are kept, which are set aside, and which one training continues from."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from seqkit.errors import RunError
from seqkit.training.checkpoint import load_snapshot
from seqkit.training.manifest import (
    damages,
    list_checkpoints,
    lowest,
    read_manifest,
    step_folder,
    step_folders,
    step_of,
)
from seqkit.training.snapshot import Snapshot

logger = logging.getLogger(__name__)

DAMAGED, LATER = "damaged-", "later-"
"""Before the names of directories set aside: damaged ones, and those after the one continued from."""


def prune(folder: Path, keep: int) -> None:
    """Remove checkpoints that nobody needs, if the newest one is verified.

    Kept are the newest ones that training can be resumed from, the best that each of them names, and the
    best of all.

    Args:
        folder: the directory of all checkpoints.
        keep: number of checkpoints to resume from.
    """
    found = list_checkpoints(folder)
    newest, last = [path for path, each in found.items() if each.can_be_resumed][-keep:], list(found)[-1]
    needed = {*newest, last, lowest(found)}
    needed |= {step_folder(folder, step) for path in newest if (step := found[path].best_step) is not None}
    if damages(last):
        return
    for path in found.keys() - needed:
        _remove(path)
    for path in folder.glob(f"{LATER}step-*"):  # training has come as far again
        if step_of(path) <= step_of(last):
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a checkpoint; if that is cut short, what is left of it is swept away, and damages nothing."""
    shutil.rmtree(path.rename(path.with_name(f"{path.name}.partial")))


def newest_snapshot(
    folder: Path, require: Callable[[Snapshot], None] = lambda snapshot: None
) -> tuple[Path, Snapshot] | None:
    """The newest checkpoint that training can be resumed from; None if there is none.

    Damaged ones are set aside, with a warning. So are all that are newer than the one returned, for the
    training that continues writes them again.

    Args:
        folder: the directory of all checkpoints.
        require: raises RunError if the rest of the run does not fit the snapshot; an older one might fit.
    Raises:
        RunError: that of `require`, if it was raised for every snapshot.
    """
    refused: RunError | None = None
    for path in reversed(step_folders(folder)):
        if not os.path.lexists(path):  # a best that was set aside with the one that needs it
            continue
        try:
            snapshot = _resumable(path)
            if snapshot is not None:
                require(snapshot)
        except RunError as error:
            refused = refused or error
            said = str(error).splitlines()[0]
            logger.warning("%s\n  An earlier checkpoint than that of step %d is tried.", said, step_of(path))
            continue
        if snapshot is not None:
            for other in step_folders(folder):
                if step_of(other) > step_of(path):
                    _set_aside(other, LATER)
                elif problems := damages(other):
                    logger.warning("%s\n  %s", problems[0], _says_where(_set_aside(other, DAMAGED)))
            return path, snapshot
    if refused is not None:
        raise refused
    return None


def _resumable(path: Path) -> Snapshot | None:
    """The snapshot of a checkpoint; None if it has none, or is damaged, or the best that it names is."""
    if problems := damages(path):
        logger.warning("%s\n  %s", problems[0], _says_where(_set_aside(path, DAMAGED)))
        return None
    manifest = read_manifest(path)
    if not manifest.can_be_resumed:
        return None
    if manifest.best_step not in (None, manifest.step):
        best = step_folder(path.parent, manifest.best_step)
        if problems := damages(best):
            where = f"{_says_where(_set_aside(best, DAMAGED))} " if os.path.lexists(best) else ""
            logger.warning(
                "%s\n  %sThe checkpoint of step %d needs it, so an earlier one is tried.",
                *(problems[0], where, manifest.step),
            )
            return None
    return load_snapshot(path)


def _says_where(aside: Path) -> str:
    return f"It is set aside as {aside.name}."


def sweep(folder: Path) -> None:
    """Remove what was being written when a process was killed; only for the holder of the claim."""
    places = step_folders(folder)
    for path in folder.glob("*.partial"):
        shutil.rmtree(path, ignore_errors=True)  # it does not follow a link
    for place in places:
        for file in place.glob("*.partial"):
            with suppress(OSError):
                file.unlink()


def _set_aside(path: Path, why: str) -> Path:
    """Rename a checkpoint, so that it is neither used nor lost."""
    number = 1
    while (other := path.with_name(f"{why}{path.name}{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    return path.rename(other)
