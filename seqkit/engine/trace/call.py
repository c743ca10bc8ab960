"""One call of `unroll`, as it is passed to the engines."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from seqkit.cells.base import Cell, State
from seqkit.engine.trace.standin import stand_in
from seqkit.engine.trace.weights import Weights, is_parametrized, weights_of


@dataclass(frozen=True, eq=False)
class Call:
    """The arguments of one unroll.

    Attributes:
        cell: the cell, for which plans are cached.
        acting: the cell whose step is run: `cell`, or a stand-in for it with other weights.
        weights: the tensors that the acting cell computes with.
        x: `(batch, time, input_size)`, or integer ids `(batch, time)`.
        state: the state before the first step.
        reset: bool `(batch, time)`, or None.
        table: `(ids, input_size)`, the rows that the ids index, or None for one-hot rows.
    """

    cell: Cell
    acting: Cell
    weights: Weights
    x: Tensor
    state: State
    reset: Tensor | None = None
    table: Tensor | None = None

    @property
    def batch_size(self) -> int:
        """Number of rows."""
        return len(self.x)

    def steps(self, steps: slice) -> Call:
        """The call on some of the time steps, from the same state."""
        return replace(self, x=self.x[:, steps], reset=None if self.reset is None else self.reset[:, steps])

    def from_state(self, state: State) -> Call:
        """The call from another state."""
        return replace(self, state=state)

    def initial_state(self) -> State:
        """The state at the start of each row."""
        return self.acting.initial_state(self.batch_size)

    def with_weights(self, weights: Weights) -> Call:
        """The call with other weights; the cell is not changed."""
        return replace(self, acting=stand_in(self.cell, weights), weights=weights)


def call_of(
    cell: Cell, x: Tensor, state: State = None, reset: Tensor | None = None, table: Tensor | None = None
) -> Call:
    """The call, with parametrised weights computed, once per unroll.

    Args:
        cell, x, reset, table: see `Call`.
        state: see `Call`; None is the initial state.
    """
    weights = weights_of(cell)
    acting = stand_in(cell, weights) if is_parametrized(cell) else cell
    return Call(
        cell, acting, weights, x, acting.initial_state(len(x)) if state is None else state, reset, table
    )
