"""Weights on disk: safetensors and JSON, complete or absent.

checkpoints/step-00000500/
    model.safetensors
    checkpoint.json       step, and the validation loss where it was measured
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seqkit.errors import RunError


@dataclass(frozen=True)
class CheckpointInfo:
    """Contents of `checkpoint.json`."""

    step: int
    validation_loss: float | None = None


def save_checkpoint(folder: Path, weights: Mapping[str, Tensor], info: CheckpointInfo) -> Path:
    """Write a checkpoint under `folder`, in a directory that gets its name when it is complete."""
    path = folder / f"step-{info.step:08d}"
    if path.is_dir():
        return path  # the weights of a step do not change
    partial = folder / f"{path.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(partial, weights, info)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RunError(
            f"the weights of step {info.step} cannot be written to {folder}: {_said(error)}.\n"
            "  Make room, or choose another disk (--out)."
        ) from error
    partial.rename(path)
    return path


def _write(partial: Path, weights: Mapping[str, Tensor], info: CheckpointInfo) -> None:
    partial.mkdir(parents=True)
    (partial / "checkpoint.json").write_text(json.dumps(asdict(info)) + "\n", "utf-8")
    # safetensors refuses tensors that share memory, as tied ones do, or are not contiguous: store copies.
    save_file(
        {name: value.cpu().contiguous().clone() for name, value in weights.items()},
        partial / "model.safetensors",
    )
    # safetensors makes a file that only its owner can read; checkpoint.json follows the umask.
    (partial / "model.safetensors").chmod((partial / "checkpoint.json").stat().st_mode)
    for file in partial.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def _said(error: Exception) -> str:
    """The system's message, without the path of the file."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def list_checkpoints(folder: Path) -> dict[Path, CheckpointInfo]:
    """The complete checkpoints under `folder`, in the order of their steps."""
    return {
        path.parent: CheckpointInfo(**json.loads(path.read_text("utf-8")))
        for path in sorted(folder.glob("step-*/checkpoint.json"))
        if not path.parent.name.endswith(".partial")
    }


def best_checkpoint(folder: Path) -> Path:
    """The checkpoint with the lowest validation loss; the last one if no loss was measured.

    Raises:
        RunError: there is no checkpoint.
    """
    found = list_checkpoints(folder)
    if not found:
        raise RunError(f"there are no weights in {folder}: the run ended before its first checkpoint.")
    measured = {
        path: info.validation_loss for path, info in found.items() if info.validation_loss is not None
    }
    return min(measured, key=lambda path: measured[path]) if measured else list(found)[-1]


def load_weights(model: nn.Module, path: Path, device: torch.device) -> None:
    """Load the weights of a checkpoint into a model of the same shape, on that device.

    Raises:
        RunError: the file is damaged, or belongs to another model.
    """
    file = path / "model.safetensors"
    try:
        weights = load_file(file, device=str(device))
        model.to(device).load_state_dict(weights)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    except RuntimeError as error:
        raise RunError(f"{file} does not fit the model that the recipe describes: {error}") from error
