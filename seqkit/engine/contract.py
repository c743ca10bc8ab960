"""What a cell that breaks its contract is told, in place of an error from deep inside."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from seqkit.cells.base import Cell, State, state_rows
from seqkit.errors import ContractError, SeqkitError, StepError


def check_cell(cell: object) -> None:
    """Raise ContractError for what is no cell, or does not say its sizes."""
    name = type(cell).__name__
    if not isinstance(cell, Cell):
        raise ContractError(
            f"{name} is no Cell: subclass seqkit.Cell and write step(x, state) -> (output, state)."
        )
    for size in ("input_size", "output_size"):
        if not isinstance(getattr(cell, size, None), int):
            raise ContractError(
                f"{name} does not say its {size}: set self.{size} in __init__, a whole number."
            )


@contextmanager
def step_errors(cell: Cell) -> Iterator[None]:
    """What the code of a cell raises becomes a StepError with its line; anything else is left as it is."""
    try:
        yield
    except SeqkitError:
        raise
    except Exception as error:  # whatever a stranger's step raises
        place = step_line(error)
        if not place or type(error).__module__ == "torch.utils.checkpoint":  # which so ends a recomputation
            raise
        said = str(error).split("\n", 1)[0]
        raise StepError(
            f"the step of {type(cell).__name__} fails: {type(error).__name__}: {said}{place}"
        ) from error


def step_line(error: Exception, *, deepest: bool = True) -> str:
    """On a line of its own, the innermost line of a step on the way to an error; empty where there is none.

    Args:
        error: with its traceback.
        deepest: only if the engine called nothing of its own below that line.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if deepest and frame.filename.startswith(ENGINE):
            return ""
        if not is_foreign(frame.filename):
            line = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
            return f"\n  {Path(frame.filename).name}, line {frame.lineno}: {line}"
    return ""


ENGINE: Final = str(Path(__file__).parent) + os.sep
TORCH: Final = str(Path(torch.__file__).parent) + os.sep


def is_foreign(filename: str) -> bool:
    """Whether a frame of a traceback belongs to PyTorch or to this engine, not to a step."""
    return filename.startswith((TORCH, ENGINE, "<"))


def checked_step(cell: Cell, batch_size: int, result: Any) -> tuple[Tensor, State]:
    """What a step returned, if it is `(output, state)` with the output `(batch, output_size)`.

    Raises:
        ContractError: it is not.
    """
    name = f"{type(cell).__name__}.step"
    if not isinstance(result, tuple) or len(result) != 2:
        # A step that is being traced gives a subclass of Tensor, of which the user knows nothing.
        kind = "Tensor" if isinstance(result, Tensor) else type(result).__name__
        what = f"a {kind}" + (f" of {len(result)}" if isinstance(result, tuple) else "")
        raise ContractError(f"{name} must return (output, state); it returned {what}.")
    output, state = result
    expected = (batch_size, cell.output_size)
    if not isinstance(output, Tensor) or tuple(output.shape) != expected:
        what = str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__
        raise ContractError(
            f"{name} must give an output of shape (batch, output_size) = {expected}; it gave {what}."
        )
    if state is None or state_rows(state) not in (None, batch_size):
        what = "None" if state is None else f"{state_rows(state)} rows"
        raise ContractError(
            f"{name} must give a state with {batch_size} rows, the batch first; it gave {what}."
        )
    return output, state
