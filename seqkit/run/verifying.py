"""Whether the files of a run are what was written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqkit.errors import RunError
from seqkit.run import rundir
from seqkit.run.callbacks import require_rows
from seqkit.run.opening import last_step
from seqkit.run.seeds import folders_of, seeds_in
from seqkit.training.checkpoint import read_values
from seqkit.training.manifest import (
    Manifest,
    damages,
    missing_best,
    read_manifest,
    step_folder,
    step_folders,
    step_of,
)


@dataclass(frozen=True)
class Verified:
    """A checkpoint, or the log of metrics, and what is wrong with it."""

    path: Path
    problems: tuple[str, ...]


def verify(path: Path) -> list[Verified]:
    """Verify the checkpoints of a run, or of the seeds in a directory, with the files they belong to.

    Raises:
        RunError: there is no run.
    """
    if (lacking := seeds_in(path) - len(folders := folders_of(path))) > 0:
        raise RunError(f"{path} lacks {lacking} of its seeds; resume it to train them: seqkit resume {path}.")
    return [each for folder in folders for each in _verify_run(folder)]


def _verify_run(folder: Path) -> list[Verified]:
    found = []
    newest: Path | None = None
    places = step_folders(folder / rundir.CHECKPOINTS)
    for place in places:
        problems = damages(place)
        if not problems:
            manifest = read_manifest(place)
            problems = _other_files(folder, manifest)
            said = missing_best(place, manifest)
            if said is not None and place == places[-1]:  # those of older ones may have been removed
                problems.append(said)
            newest = place if manifest.can_be_resumed else newest
        found.append(Verified(place, tuple(problems)))
    last = last_step(folder)
    if found and last is not None and step_of(found[-1].path) < last:
        place = step_folder(folder / rundir.CHECKPOINTS, last)
        found.append(Verified(place, (f"{place} is missing: training ended with it.",)))
    if not found:
        raise RunError(f"there are no checkpoints in {folder}: the run ended before its first one.")
    return [*found, _metrics(folder, newest, places)]


def _is_measured(place: Path) -> bool:
    """Whether a checkpoint has a validation loss, which is in the log too."""
    try:
        return read_manifest(place).validation_loss is not None
    except RunError:
        return False


def _other_files(folder: Path, manifest: Manifest) -> list[str]:
    problems = []
    for name, digest in manifest.run.items():
        try:
            if rundir.digest(folder / name) != digest:
                problems.append(f"{folder / name} has changed since the checkpoint was written.")
        except RunError as error:
            problems.append(str(error))
    return problems


def _metrics(folder: Path, newest: Path | None, places: Sequence[Path]) -> Verified:
    """The log: its rows, and that it is the one that the newest checkpoint belongs to."""
    file = folder / rundir.METRICS
    try:
        if not os.path.lexists(file) and any(_is_measured(place) for place in places):
            raise RunError(f"{file} is missing.")
        rundir.read_metrics(folder)
        if newest is not None:
            require_rows(file, read_values(newest))
    except RunError as error:
        return Verified(file, (str(error),))
    return Verified(file, ())
