"""The manifest of a checkpoint: which files it has, and what every byte of them has to be."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seqkit.errors import RunError
from seqkit.files import read_file

MANIFEST = "MANIFEST.json"
WEIGHTS = "model.safetensors"
TENSORS, VALUES = "training.safetensors", "training.json"
FORMAT = 1
_STEP = re.compile(r"step-(\d+)")
_DIGEST = re.compile(rb'\{\n  "sha256": "([0-9a-f]{64})",\n')


class FileRecord(BaseModel):
    """Size and SHA-256 of a file."""

    model_config = ConfigDict(extra="forbid")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The contents of `MANIFEST.json`."""

    model_config = ConfigDict(extra="forbid")
    format: int = FORMAT
    step: int = Field(ge=0)
    validation_loss: float | None = None
    best_step: int | None = None
    """Step of the lowest validation loss until then; its weights belong to the snapshot."""
    files: dict[str, FileRecord] = Field(default_factory=dict)
    run: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the files of the run that the checkpoint belongs to."""

    @property
    def can_be_resumed(self) -> bool:
        """Whether it has a snapshot of the training."""
        return {TENSORS, VALUES} <= self.files.keys()


def step_folder(folder: Path, step: int) -> Path:
    """The directory of the checkpoint of a step."""
    return folder / f"step-{step:08d}"


def manifest_bytes(manifest: Manifest) -> bytes:
    """The file `MANIFEST.json`; its first entry is the SHA-256 of all but that line."""
    text = json.dumps(manifest.model_dump(), indent=2).encode() + b"\n"
    line = f'  "sha256": "{hashlib.sha256(text).hexdigest()}",\n'.encode()
    return text[:2] + line + text[2:]


def read_manifest(path: Path) -> ReadManifest:
    """The manifest of a checkpoint, verified.

    Raises:
        RunError: it is missing, damaged or of another format.
    """
    file = path / MANIFEST
    if path.is_symlink():
        raise RunError(f"{path} is a link: files outside a run directory are not read.")
    if not os.path.lexists(file) and os.path.lexists(path / "checkpoint.json"):
        return _read_legacy(path)
    data = read_file(file)
    found = _DIGEST.match(data)
    if found is None or hashlib.sha256(data[:2] + data[found.end() :]).hexdigest() != found[1].decode():
        raise RunError(f"{file} is damaged: it differs from its own SHA-256.")
    try:
        values = json.loads(data)
        del values["sha256"]
        manifest = ReadManifest(**values)
    except (ValueError, ValidationError, RecursionError) as error:
        raise RunError(f"{file} is not the manifest of a checkpoint.") from error
    if manifest.format != FORMAT:
        raise RunError(f"{file} has format {manifest.format}; this version of seqkit reads {FORMAT}.")
    if not {WEIGHTS} <= manifest.files.keys() <= {WEIGHTS, TENSORS, VALUES}:
        raise RunError(f"{file} is not the manifest of a checkpoint: it names {', '.join(manifest.files)}.")
    if path.name != step_folder(path.parent, manifest.step).name:
        raise RunError(
            f"{file} is that of step {manifest.step}: the directory was renamed, or files swapped."
        )
    return manifest


class ReadManifest(Manifest):
    """A manifest that was read."""

    is_legacy: bool = False
    """Written by an earlier version, without checksums."""


class _Legacy(BaseModel):
    step: int = Field(ge=0)
    validation_loss: float | None = None


def _read_legacy(path: Path) -> ReadManifest:
    file = path / "checkpoint.json"
    try:
        found = _Legacy.model_validate_json(read_file(file))
    except ValidationError as error:
        raise RunError(f"{file} does not describe a checkpoint.") from error
    return ReadManifest(step=found.step, validation_loss=found.validation_loss, is_legacy=True)


def step_folders(folder: Path) -> list[Path]:
    """The directories of checkpoints, damaged ones too, by step.

    Raises:
        RunError: the folder is a link: files outside a run directory are neither read nor removed.
    """
    if folder.is_symlink():
        raise RunError(f"{folder} is a link: put the whole run where it points, not the checkpoints alone.")
    return sorted((path for path in folder.glob("step-*") if _STEP.fullmatch(path.name)), key=step_of)


def step_of(path: Path) -> int:
    """The step that is in the name of a directory."""
    found = _STEP.search(path.name)
    return int(found[1]) if found else -1


def list_checkpoints(folder: Path) -> dict[Path, ReadManifest]:
    """The checkpoints with a valid manifest, by step; their files are not verified yet."""
    found = {}
    for path in step_folders(folder):
        try:
            found[path] = read_manifest(path)
        except RunError:
            continue
    return found


def lowest(found: Mapping[Path, ReadManifest]) -> Path:
    """The checkpoint with the lowest validation loss; the last one if none was measured."""
    measured = {
        path: each.validation_loss for path, each in found.items() if each.validation_loss is not None
    }
    return min(measured, key=lambda path: measured[path]) if measured else list(found)[-1]


def damages(path: Path) -> list[str]:
    """What is wrong with a checkpoint, in sentences that name the files; empty if all of it is verified."""
    try:
        manifest = read_manifest(path)
    except RunError as error:
        return [str(error)]
    found = []
    for name, record in manifest.files.items():
        try:
            verified(path / name, record)
        except RunError as error:
            found.append(str(error))
    return found


def missing_best(path: Path, manifest: Manifest) -> str | None:
    """The sentence for a checkpoint whose best, at that time, is not there; None if it is."""
    best = None if manifest.best_step is None else step_folder(path.parent, manifest.best_step)
    return None if best is None or best.exists() else f"{best} is missing; it was the best at {path.name}."


def verified(file: Path, record: FileRecord) -> bytes:
    """The contents of a file.

    Raises:
        RunError: it cannot be read, or is not the one that was recorded.
    """
    data = read_file(file, limit=record.bytes)
    if len(data) != record.bytes:
        raise RunError(f"{file} is damaged: it has {len(data):,} bytes, not {record.bytes:,}.")
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise RunError(f"{file} is damaged: it differs from its SHA-256 in {MANIFEST}.")
    return data
