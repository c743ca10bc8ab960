"""Whether the files of a run are what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seqkit.errors import RunError
from seqkit.run import rundir
from seqkit.run.seeds import folders_of
from seqkit.training.manifest import Manifest, damages, read_manifest


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
    found = []
    for folder in folders_of(path):
        for place in sorted((folder / rundir.CHECKPOINTS).glob("step-*")):
            if place.name.endswith(".partial"):
                continue
            problems = damages(place)
            if not problems:
                problems = _other_files(folder, read_manifest(place))
            found.append(Verified(place, tuple(problems)))
        if not found:
            raise RunError(f"there are no checkpoints in {folder}: the run ended before its first one.")
        found.append(_metrics(folder))
    return found


def _other_files(folder: Path, manifest: Manifest) -> list[str]:
    problems = []
    for name, digest in manifest.run.items():
        try:
            if rundir.digest(folder / name) != digest:
                problems.append(f"{folder / name} has changed since the checkpoint was written.")
        except RunError as error:
            problems.append(str(error))
    return problems


def _metrics(folder: Path) -> Verified:
    try:
        rundir.read_metrics(folder)
    except RunError as error:
        return Verified(folder / rundir.METRICS, (str(error),))
    return Verified(folder / rundir.METRICS, ())
