"""Comparing the plan in use with the loop again during training, when gates have opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from seqkit.cells.base import Cell, State, detach_state
from seqkit.engine import ENGINES
from seqkit.engine.plan.check import compared, every_other_row, first_steps
from seqkit.engine.trace.call import call_of
from seqkit.engine.trace.weights import is_parametrized


def difference_in_training(
    engine: str, cell: Cell, x: Tensor, state: State, table: Tensor | None = None
) -> tuple[str, str] | None:
    """How the engine's gradients differ from the loop's on a few steps, and the line of the step.

    A difference must occur twice, on different steps: a rounding error may flip a value that the step rounds.

    Args:
        engine: the engine that unrolled the cell; for the loop there is no difference.
        cell, table: see `unroll`.
        x: a batch like those that the cell is trained on, of at least one step.
        state: the state before the batch.
    """
    plans = getattr(ENGINES[engine](), "plans", None)
    plan = None if plans is None else plans.last(cell)
    if plan is None:
        return None
    found = None
    with torch.enable_grad():
        call = first_steps(call_of(cell, x, detach_state(state), None, table))
        for each in (call, replace(call, x=call.x.flip(1))):
            found = compared(plan, replace(each, reset=every_other_row(each.x) if plan.resets else None))
            if found is None:
                return None
    return found


@contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """Restore buffers that are written inside the block, as by the computation of parametrised weights."""
    before = [(buffer, buffer.clone()) for buffer in model.buffers()] if is_parametrized(model) else []
    yield
    with torch.no_grad():
        for buffer, value in before:
            buffer.copy_(value)
