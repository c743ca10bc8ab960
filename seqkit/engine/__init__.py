"""Unrolling a cell through time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from seqkit.cells.base import Cell, State
from seqkit.engine.contract import check_cell
from seqkit.engine.loop import unroll_loop
from seqkit.errors import ContractError, UnknownNameError

__all__ = ["ENGINES", "check_cell", "choose_engine", "unroll"]

Engine = Callable[[Cell, Tensor, State, Tensor | None], tuple[Tensor, State]]

ENGINES: Final[dict[str, Engine]] = {"loop": unroll_loop}


def unroll(
    cell: Cell, x: Tensor, state: State = None, *, reset: Tensor | None = None, engine: str = "auto"
) -> tuple[Tensor, State]:
    """Run a cell over whole sequences.

    Args:
        cell: the step.
        x: `(batch, time, input_size)`, or integer `(batch, time)`: then every step sees the
            one-hot row of its id.
        state: the state before the first step; by default the cell's initial state.
        reset: bool `(batch, time)`; where true, that row returns to the initial state before that step.
        engine: `"loop"` or `"auto"`.
    Returns:
        Outputs `(batch, time, output_size)` and the state after the last step.
    Raises:
        ContractError: `x` or `reset` has the wrong shape.
        UnknownNameError: there is no such engine.

    Example:
        >>> from seqkit.cells import RNN
        >>> outputs, hidden = unroll(RNN(3, 8), torch.zeros(2, 5, 3))
        >>> outputs.shape, hidden.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 8]))
    """
    _check(cell, x, reset)
    if state is None:
        state = cell.initial_state(len(x))
    return ENGINES[choose_engine(engine)](cell, x, state, reset)


def choose_engine(engine: str) -> str:
    """The name of the engine that runs when this one is asked for."""
    if engine == "auto":
        return "loop"
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ["auto", *ENGINES])
    return engine


def _check(cell: Cell, x: Tensor, reset: Tensor | None) -> None:
    check_cell(cell)
    numbers = x.ndim == 3 and x.shape[2] == cell.input_size and x.is_floating_point()
    ids = x.ndim == 2 and not x.is_floating_point() and x.dtype != torch.bool
    if not numbers and not ids:
        raise ContractError(
            f"unroll takes numbers (batch, time, {cell.input_size}) or integer ids (batch, time); "
            f"got {x.dtype} {tuple(x.shape)}."
        )
    if x.shape[1] == 0:
        raise ContractError("unroll needs at least one time step; got none.")
    if reset is not None and (reset.shape != x.shape[:2] or reset.dtype != torch.bool):
        raise ContractError(
            f"reset must be bool {tuple(x.shape[:2])}; got {reset.dtype} {tuple(reset.shape)}."
        )
