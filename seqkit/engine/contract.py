"""What a cell that breaks its contract is told, in place of an error from deep inside."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from seqkit.cells.base import Cell, State, state_rows
from seqkit.errors import ContractError


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


def checked_step(cell: Cell, batch_size: int, result: Any) -> tuple[Tensor, State]:
    """What a step returned, if it is `(output, state)` with the output `(batch, output_size)`.

    Raises:
        ContractError: it is not.
    """
    name = f"{type(cell).__name__}.step"
    if not isinstance(result, tuple) or len(result) != 2:
        what = f"a {type(result).__name__}" + (f" of {len(result)}" if isinstance(result, tuple) else "")
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
