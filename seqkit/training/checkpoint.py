"""Checkpoints on disk: weights and snapshots, complete or absent, every byte verified before it is used.

checkpoints/step-00000500/
    model.safetensors       weights and persistent buffers
    training.safetensors    optimizer, carried state, losses     only if training can be resumed from it
    training.json           the rest of the snapshot             likewise
    MANIFEST.json           step, validation loss, size and SHA-256 of each file and of the manifest itself

A checkpoint is a directory whose manifest is valid: the manifest is written last, when all files are on the
disk. A rename alone would not be enough, since some file systems do not rename at once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from seqkit.errors import RunError, SaveError
from seqkit.files import read_file, sync
from seqkit.training.snapshot import Snapshot

MANIFEST = "MANIFEST.json"
WEIGHTS = "model.safetensors"
TENSORS, VALUES = "training.safetensors", "training.json"
FORMAT = 1
logger = logging.getLogger(__name__)
MOST_EXTRA_BYTES = 2**24
"""Size of a weights file beyond its tensors, at most."""
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


def save_checkpoint(
    folder: Path,
    weights: Mapping[str, Tensor],
    step: int,
    validation_loss: float | None = None,
    *,
    best_step: int | None = None,
    snapshot: Snapshot | None = None,
    run: Mapping[str, str] | None = None,
) -> Path:
    """Write a checkpoint; one that was there for the step gets what it lacks.

    Args:
        folder: the directory of all checkpoints.
        weights: by name.
        step: number of the step.
        validation_loss: of these weights, if it was measured.
        best_step: step of the lowest validation loss until then.
        snapshot: from which training can be resumed.
        run: SHA-256 of files of the run, by name.
    Returns:
        The directory of the checkpoint.
    Raises:
        SaveError: it cannot be written; what was there before is not changed.
    """
    path = step_folder(folder, step)
    try:
        before = read_manifest(path)
    except RunError:
        before = None
    if before is not None and (snapshot is None or before.can_be_resumed) and not before.is_legacy:
        return path  # the weights of a step do not change
    partial = folder / f"{path.name}.partial"
    target = partial if before is None or before.is_legacy else path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_space(folder, [*weights.values(), *(snapshot.tensors.values() if snapshot else ())])
        if target is partial:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            files = {WEIGHTS: _write_tensors(partial / WEIGHTS, weights)}
        else:
            assert before is not None
            files, validation_loss = dict(before.files), before.validation_loss
        if snapshot is not None:
            files[TENSORS] = _write_tensors(target / TENSORS, snapshot.tensors)
            values = json.dumps(snapshot.values, separators=(",", ":")).encode()
            files[VALUES] = _write_bytes(target / VALUES, values)
        manifest = Manifest(
            step=step,
            validation_loss=validation_loss,
            best_step=best_step,
            files=files,
            run=dict(run or {}),
        )
        _write_bytes(target / MANIFEST, manifest_bytes(manifest))
        sync(target)
        if target is partial:
            if path.exists():  # damaged, or without a manifest
                shutil.rmtree(path)
            partial.rename(path)
        sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise SaveError(
            f"the checkpoint of step {step} cannot be written to {folder}: {_said(error)}.\n"
            "  Free some space, or choose another disk (--out)."
        ) from error
    return path


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
    if manifest.format != FORMAT or not manifest.files.keys() <= {WEIGHTS, TENSORS, VALUES}:
        raise RunError(f"{file} has format {manifest.format}; this version of seqkit reads {FORMAT}.")
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


def list_checkpoints(folder: Path) -> dict[Path, ReadManifest]:
    """The checkpoints with a valid manifest, by step; their files are not verified yet."""
    found = {}
    for path in sorted(folder.glob("step-*")):
        if not path.name.endswith(".partial"):
            try:
                found[path] = read_manifest(path)
            except RunError:
                continue
    return found


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


def best_checkpoint(folder: Path, step: int | None = None) -> Path:
    """The checkpoint with the lowest validation loss; the last one if none was measured.

    Args:
        folder: the directory of all checkpoints.
        step: take the one of this step instead.
    Raises:
        RunError: there is none, or it is damaged; the message names the others.
    """
    found = list_checkpoints(folder)
    here = sorted(path.name for path in folder.glob("step-*") if not path.name.endswith(".partial"))
    if step is not None:
        chosen = step_folder(folder, step)
        if chosen.name not in here:
            steps = ", ".join(str(int(name.removeprefix("step-"))) for name in here if name[5:].isdecimal())
            raise RunError(
                f"there is no checkpoint of step {step} in {folder}; available: {steps or 'none'}."
            )
        return chosen
    if not here:
        raise RunError(f"there are no weights in {folder}: the run ended before its first checkpoint.")
    for name in here:
        if folder / name not in found:  # it might be the best
            raise _refusal(folder / name, damages(folder / name)[0])
    measured = {
        path: each.validation_loss for path, each in found.items() if each.validation_loss is not None
    }
    return min(measured, key=lambda path: measured[path]) if measured else list(found)[-1]


def _refusal(path: Path, said: str) -> RunError:
    """The error for a damaged checkpoint, with the step of one that is not damaged."""
    whole = [
        each.step
        for other, each in list_checkpoints(path.parent).items()
        if other != path and not damages(other)
    ]
    hint = (
        f"The checkpoint of step {whole[-1]} is not damaged: seqkit.load(path, step={whole[-1]}) in Python."
        if whole
        else "The run has no other checkpoint that is not damaged."
    )
    return RunError(f"{said}\n  {hint}")


def load_weights(model: nn.Module, path: Path, device: torch.device) -> None:
    """Put the weights of a checkpoint into a model of the same shape, on that device.

    Raises:
        RunError: the file is damaged, or belongs to another model.
    """
    manifest, file = read_manifest(path), path / WEIGHTS
    own = model.state_dict()
    most = sum(value.numel() * value.element_size() for value in own.values()) + MOST_EXTRA_BYTES
    if manifest.is_legacy:
        data = read_file(file, limit=most)
    else:
        record = manifest.files.get(WEIGHTS)
        if record is None or record.bytes > most:
            raise RunError(f"{file} does not fit the model that the recipe describes.")
        try:
            data = verified(file, record)
        except RunError as error:
            raise _refusal(path, str(error)) from error
    _put(model, _tensors(data, file), file, device)


def _put(model: nn.Module, weights: Mapping[str, Tensor], file: Path, device: torch.device) -> None:
    try:
        model.to(device).load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(f"{file} does not fit the model that the recipe describes: {error}") from error


def load_snapshot(path: Path) -> Snapshot:
    """The snapshot of a checkpoint, verified, with the best weights that it names.

    Raises:
        RunError: a file is damaged, it has no snapshot, or its best weights are missing.
    """
    manifest = read_manifest(path)
    if not manifest.can_be_resumed:
        raise RunError(f"{path} has weights only: training cannot be resumed from it.")
    data = {name: verified(path / name, record) for name, record in manifest.files.items()}
    try:
        values = json.loads(data[VALUES])
        best = values["best"]
        best_step = None if best is None else int(best["step"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path / VALUES} is not a snapshot of a training.") from error
    best_weights = None
    if best_step is not None and best_step != manifest.step:
        other = step_folder(path.parent, best_step)
        best_weights = _tensors(
            verified(other / WEIGHTS, read_manifest(other).files[WEIGHTS]), other / WEIGHTS
        )
    return Snapshot(
        _tensors(data[WEIGHTS], path / WEIGHTS), _tensors(data[TENSORS], path / TENSORS), values, best_weights
    )


def prune(folder: Path, keep: int) -> None:
    """Remove checkpoints that nobody needs, if the newest one is verified.

    Kept are the newest ones that training can be resumed from, the best that each of them names, and the
    best of all.

    Args:
        folder: the directory of all checkpoints.
        keep: number of checkpoints to resume from.
    """
    found = list_checkpoints(folder)
    newest = [path for path, each in found.items() if each.can_be_resumed][-keep:]
    measured = {
        path: each.validation_loss for path, each in found.items() if each.validation_loss is not None
    }
    needed = {*newest, list(found)[-1], *sorted(measured, key=lambda path: measured[path])[:1]}
    needed |= {step_folder(folder, step) for path in newest if (step := found[path].best_step) is not None}
    if damages(list(found)[-1]):
        return
    for path in found.keys() - needed:
        shutil.rmtree(path)


def newest_snapshot(folder: Path) -> tuple[Path, Snapshot] | None:
    """The newest checkpoint that training can be resumed from; damaged ones are set aside, with a warning."""
    for path in sorted(folder.glob("step-*"), reverse=True):
        try:
            if read_manifest(path).can_be_resumed:
                return path, load_snapshot(path)
        except RunError as error:
            logger.warning("%s\n  It is set aside as %s.", error, set_aside(path).name)
    return None


def sweep(folder: Path) -> None:
    """Remove what was being written when a process was killed; only for the holder of the claim."""
    for path in folder.glob("*.partial"):
        shutil.rmtree(path, ignore_errors=True)
    for file in folder.glob("step-*/*.partial"):
        file.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a damaged checkpoint, so that it is neither used nor lost."""
    number = 1
    while (other := path.with_name(f"damaged-{path.name}{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    return path.rename(other)


def _tensors(data: bytes, file: Path) -> dict[str, Tensor]:
    try:
        return load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error


def _write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> FileRecord:
    """Write tensors; each is stored completely, since safetensors refuses tensors that share memory."""
    partial = file.with_name(file.name + ".partial")
    save_file({name: value.cpu().contiguous().clone() for name, value in tensors.items()}, partial)
    os.chmod(partial, 0o666 & ~_umask(file.parent))  # safetensors makes it readable by its owner alone
    return _finish(partial, file)


def _write_bytes(file: Path, data: bytes) -> FileRecord:
    partial = file.with_name(file.name + ".partial")
    partial.write_bytes(data)
    return _finish(partial, file)


def _finish(partial: Path, file: Path) -> FileRecord:
    sync(partial)
    size, digest = partial.stat().st_size, hashlib.sha256()
    with partial.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    os.replace(partial, file)
    return FileRecord(bytes=size, sha256=digest.hexdigest())


def _umask(folder: Path) -> int:
    """The umask, seen in the mode of a new file: to ask for it is to change it, for all threads."""
    probe = folder / "mode.partial"
    probe.touch()
    try:
        return 0o666 & ~probe.stat().st_mode
    finally:
        probe.unlink()


def _require_space(folder: Path, tensors: Iterable[Tensor]) -> None:
    need = sum(value.numel() * value.element_size() for value in tensors) + 2**16
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OSError(28, f"{need / 1e6:,.1f} MB are needed, and {free / 1e6:,.1f} MB are free")


def _said(error: Exception) -> str:
    """The system's message, without the path of the file."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def digest_of(files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files of a run, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
