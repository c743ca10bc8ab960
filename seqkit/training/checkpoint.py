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
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from seqkit.errors import RunError, SaveError
from seqkit.files import read_file, sync
from seqkit.training.manifest import (
    MANIFEST,
    TENSORS,
    VALUES,
    WEIGHTS,
    FileRecord,
    Manifest,
    damages,
    list_checkpoints,
    lowest,
    manifest_bytes,
    missing_best,
    read_manifest,
    step_folder,
    step_folders,
    step_of,
    verified,
)
from seqkit.training.snapshot import Snapshot, Values

MOST_EXTRA_BYTES = 2**24
"""Size of a weights file beyond its tensors, at most."""


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
    lacks_loss = before is not None and before.validation_loss is None and validation_loss is not None
    is_there = before is not None and not before.is_legacy and (snapshot is None or before.can_be_resumed)
    if is_there and not lacks_loss:
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
            files = dict(before.files)
            validation_loss = validation_loss if lacks_loss else before.validation_loss
            if before.can_be_resumed:  # its snapshot may know an earlier best only
                snapshot, best_step = None, before.best_step
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
            if path.is_symlink():
                path.unlink()
            elif path.exists():  # damaged, or without a manifest
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


def best_checkpoint(folder: Path, step: int | None = None, last: int | None = None) -> Path:
    """The checkpoint with the lowest validation loss; the last one if none was measured.

    Args:
        folder: the directory of all checkpoints.
        step: take the one of this step instead.
        last: the step that training ended at; its checkpoint has to be there.
    Raises:
        RunError: there is none, or it is damaged; the message names the others.
    """
    if step is not None:
        chosen = step_folder(folder, step)
        if not os.path.lexists(chosen):
            steps = ", ".join(str(step_of(path)) for path in step_folders(folder))
            raise RunError(
                f"there is no checkpoint of step {step} in {folder}; available: {steps or 'none'}."
            )
        return chosen
    found = {}
    for path in step_folders(folder):
        try:
            found[path] = read_manifest(path)
        except RunError as error:
            if os.path.lexists(path):  # else a training that goes on has just removed it
                raise _refusal(path, str(error)) from error  # it might be the best
    if not found:
        raise RunError(f"there are no weights in {folder}: the run ended before its first checkpoint.")
    newest = list(found)[-1]
    place = newest if last is None else step_folder(folder, last)
    if step_of(newest) < step_of(place) and not os.path.lexists(place):
        raise _refusal(place, f"{place} is missing: training ended with it.")
    if (said := missing_best(newest, found[newest])) is not None and newest.exists():
        raise _refusal(newest, said)
    return lowest(found)


def _refusal(path: Path, said: str) -> RunError:
    """The error for a damaged checkpoint, with the step of one that is not damaged."""
    whole = [each.step for other, each in list_checkpoints(path.parent).items() if not damages(other)]
    hint = (
        f"The checkpoint of step {whole[-1]} is not damaged: --step {whole[-1]} (in Python step={whole[-1]})."
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
    try:
        model.to(device).load_state_dict(_tensors(data, file))
    except RuntimeError as error:
        raise RunError(f"{file} does not fit the model that the recipe describes: {error}") from error


def load_snapshot(path: Path) -> Snapshot:
    """The snapshot of a checkpoint, verified, with the best weights that it names.

    Raises:
        RunError: a file is damaged, it has no snapshot, or its best weights are missing.
    """
    manifest, values = read_manifest(path), read_values(path)
    data = {name: verified(path / name, manifest.files[name]) for name in (WEIGHTS, TENSORS)}
    best_step = None if values["best"] is None else values["best"]["step"]
    best_weights = None
    if best_step is not None and best_step != manifest.step:
        other = step_folder(path.parent, best_step)
        best_weights = _tensors(
            verified(other / WEIGHTS, read_manifest(other).files[WEIGHTS]), other / WEIGHTS
        )
    return Snapshot(
        _tensors(data[WEIGHTS], path / WEIGHTS), _tensors(data[TENSORS], path / TENSORS), values, best_weights
    )


def read_values(path: Path) -> dict[str, Any]:
    """The values of the snapshot of a checkpoint, verified.

    Raises:
        RunError: it has none, or they are damaged.
    """
    manifest = read_manifest(path)
    if not manifest.can_be_resumed:
        raise RunError(f"{path} has weights only: training cannot be resumed from it.")
    data = verified(path / VALUES, manifest.files[VALUES])
    try:
        return Values.model_validate_json(data).model_dump()
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path / VALUES} is not a snapshot of a training: {_first_fault(error)}.") from error


def _first_fault(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _tensors(data: bytes, file: Path) -> dict[str, Tensor]:
    try:
        return load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error


def _write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> FileRecord:
    """Write tensors; each is stored completely, since safetensors refuses tensors that share memory."""
    partial = file.with_name(file.name + ".partial")
    save_file({name: value.cpu().contiguous().clone() for name, value in tensors.items()}, partial)
    partial.chmod(_mode_of_a_new_file(file.parent))  # safetensors makes it readable by its owner alone
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


def _mode_of_a_new_file(folder: Path) -> int:
    """The mode that follows from the umask, which cannot be read without being changed for all threads."""
    probe = folder / "mode.partial"
    probe.touch()
    try:
        return probe.stat().st_mode
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
