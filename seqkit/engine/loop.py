"""The reference: a plain Python loop over `step`. Every other engine is held against it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seqkit.cells.base import Cell, State, map_state
from seqkit.engine.contract import checked_step


def unroll_loop(
    cell: Cell, x: Tensor, state: State, reset: Tensor | None, table: Tensor | None = None
) -> tuple[Tensor, State]:
    """One step after the other.

    Args:
        cell: the step.
        x: `(batch, time, input_size)`, or integer ids `(batch, time)`.
        state: the state before the first step.
        reset: `(batch, time)` bool, or None.
        table: `(ids, input_size)`, the row that each id stands for, or None: a one-hot row.
    Returns:
        Outputs `(batch, time, output_size)`, a transposed view of time-major memory, and the final state.
    """
    x = x if table is None else embedded(x, table)
    initial = cell.initial_state(len(x))
    resets = [False] * x.shape[1] if reset is None else reset.any(0).tolist()
    outputs = []
    for t, x_t in enumerate(x.unbind(1)):
        if resets[t]:
            state = reset_rows(reset[:, t], initial, state)  # type: ignore[index]  # there is a reset here
        result = cell.step(x_t if x.ndim == 3 else one_hot(cell, x_t), state)
        output, state = checked_step(cell, len(x), result) if t == 0 else result
        outputs.append(output)
    return torch.stack(outputs).transpose(0, 1), state


def embedded(ids: Tensor, table: Tensor) -> Tensor:
    """The rows `(batch, time, features)` of a table that ids stand for, in time-major memory."""
    return F.embedding(ids.t(), table).transpose(0, 1)


def one_hot(cell: Cell, ids: Tensor) -> Tensor:
    """The one-hot rows `(batch, input_size)` of ids `(batch,)`, in the cell's dtype."""
    return cell.zeros(len(ids), cell.input_size).scatter_(1, ids[:, None].long(), 1.0)


def one_hot_rows(cell: Cell, ids: Tensor) -> Tensor:
    """The one-hot rows `(batch, time, input_size)` of ids `(batch, time)`."""
    return one_hot(cell, ids.flatten()).view(*ids.shape, cell.input_size)


def reset_rows(rows: Tensor, initial: State, state: State) -> State:
    """The state with the chosen rows, `(batch,)` bool, back at the initial state."""

    def reset(value: Tensor, start: Tensor) -> Tensor:
        chosen = rows.view(-1, *[1] * (value.ndim - 1))
        # Under autocast a state may have another dtype than the initial one; a reset does not change it.
        return torch.where(chosen, start.to(value.dtype), value)

    return map_state(reset, state, initial)
