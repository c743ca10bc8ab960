"""A cell's own `scan` as an engine; like a split, it is compared with the loop before it is used."""

from __future__ import annotations

import torch
from torch import Tensor

from seqkit.cells.base import State
from seqkit.engine.loop import embedded, one_hot_rows
from seqkit.engine.plan.plans import Plans
from seqkit.engine.trace.call import Call
from seqkit.errors import SplitError


class ScanEngine:
    """Unrolls a cell by its `scan`, the whole sequence at once."""

    def __init__(self) -> None:
        self.plans = Plans(ScanPlan)

    def __call__(self, call: Call) -> tuple[Tensor, State]:
        """See `unroll`.

        Raises:
            SplitError: the cell has no scan, or it differs from the loop.
        """
        return self.plans.find(call).unroll(call)


class ScanPlan:
    """The scan of a cell.

    Args:
        call: a call of that kind.
    """

    settled = True

    def __init__(self, call: Call) -> None:
        self.resets = call.reset is not None
        self.dtypes: set[torch.dtype] = set()
        if not hasattr(call.cell, "scan"):
            raise SplitError(f"{type(call.cell).__name__} has no scan(x, state, reset).")

    def unroll(self, call: Call) -> tuple[Tensor, State]:
        """See `Plan`."""
        x = call.x
        if x.ndim == 2:
            x = one_hot_rows(call.acting, x) if call.table is None else embedded(x, call.table)
        result: tuple[Tensor, State] = call.acting.scan(x, call.state, call.reset)  # type: ignore[operator]
        return result

    def place_of(self, name: str) -> tuple[str, str]:
        """See `Plan`; a scan is not traced."""
        return "", ""

    def step_values(self, call: Call) -> dict[str, Tensor]:
        """See `Plan`."""
        return {}
