"""Stacked cells."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from seqkit.cells.base import Cell, State
from seqkit.errors import ContractError


class Stacked(Cell):
    """A stack of cells: each reads the output of the one below. Its state is the tuple of their states.

    Args:
        cells: the cells, from the input to the output; their sizes must fit.

    Raises:
        ContractError: there is no cell, or the output of a cell does not fit the input of the next.
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        super().__init__()
        self.cells: list[Cell] = nn.ModuleList(cells)  # type: ignore[assignment]  # it iterates as one
        if not len(self.cells):
            raise ContractError("Stacked needs at least one cell.")
        for index, (below, above) in enumerate(zip(self.cells, list(self.cells)[1:], strict=False)):
            if below.output_size != above.input_size:
                raise ContractError(
                    f"Stacked: cell {index} ({type(below).__name__}) gives {below.output_size} features, "
                    f"but cell {index + 1} ({type(above).__name__}) takes {above.input_size}."
                )
        self.input_size = self.cells[0].input_size
        self.output_size = self.cells[-1].output_size

    def initial_state(self, batch_size: int) -> State:
        """The tuple of the cells' initial states."""
        return tuple(cell.initial_state(batch_size) for cell in self.cells)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance every cell by one time step, from the input to the output."""
        states = []
        for cell, cell_state in zip(self.cells, state, strict=True):
            x, cell_state = cell.step(x, cell_state)
            states.append(cell_state)
        return x, tuple(states)
