"""A split is held against the loop before it is used: outputs, state and gradients of a few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seqkit.cells.base import Cell, State, map_state
from seqkit.engine.loop import embedded, one_hot, unroll_loop
from seqkit.engine.weights import Weights

STEPS: Final = 3

_TOLERANCE: Final = {torch.float64: 1e-9, torch.float32: 5e-4, torch.bfloat16: 0.05, torch.float16: 0.02}

Unroll = Callable[[Cell, Tensor, State, Tensor | None], tuple[Tensor, State]]


def difference_from_loop(
    unroll: Unroll,
    cell: Cell,
    weights: Weights,
    x: Tensor,
    state: State,
    reset: Tensor | None,
    table: Tensor | None = None,
) -> str | None:
    """What differs from the loop on the first steps of `x`; None where nothing does.

    Gradients are compared where they would be computed, for a loss that weighs every number differently.
    Where rows start anew, here every other one does, at the second step.
    """
    x, reset = x[:, :STEPS].detach(), None if reset is None else _every_other_row(reset[:, :STEPS])
    if not _rows_are_apart(cell, x if table is None else embedded(x, table), state):
        return "its rows see each other"
    loop = partial(unroll_loop, table=table)
    ours, theirs = (_results(engine, cell, weights, x, state, reset) for engine in (unroll, loop))
    tolerance = _tolerance(x.device, [each for part in theirs for each in part])
    for what, ours_part, theirs_part in zip(("output", "state", "gradient"), ours, theirs, strict=True):
        if not _close(ours_part, theirs_part, tolerance):
            return f"its {what} differs from the loop's"
    return None


def _results(
    unroll: Unroll, cell: Cell, weights: Weights, x: Tensor, state: State, reset: Tensor | None
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Outputs, final state and gradients."""
    # x is cut from what made it, so that its own graph is left for the real backward pass.
    differentiable = torch.is_grad_enabled()
    if differentiable and x.is_floating_point():
        x = x.clone().requires_grad_()
    if differentiable:
        state = map_state(lambda leaf: leaf.detach().clone().requires_grad_(leaf.is_floating_point()), state)
    outputs, final = unroll(cell, x, state, reset)
    results = [outputs, *pytree.tree_leaves(final)]
    gradients: list[Tensor] = []
    ends = [end for end in results if end.requires_grad]
    if ends:
        starts = [x, *pytree.tree_leaves(state), *weights.values()]
        wanted = [start for start in starts if start.requires_grad]
        found = torch.autograd.grad(
            ends, wanted, [_weights_like(end) for end in ends], allow_unused=True, materialize_grads=True
        )
        gradients = list(found)
    return [outputs.detach()], [leaf.detach() for leaf in results[1:]], gradients


def _weights_like(end: Tensor) -> Tensor:
    """A gradient for a result that is different at every place, without a random number."""
    places = torch.arange(end.numel(), device=end.device, dtype=torch.float64)
    return (1 + torch.cos(places)).to(end.dtype).view(end.shape)


def _every_other_row(reset: Tensor) -> Tensor:
    """Resets of rows that start anew on the way, and of others that do not."""
    chosen = torch.zeros_like(reset)
    chosen[::2, 1:2] = True
    return chosen


def _rows_are_apart(cell: Cell, x: Tensor, state: State) -> bool:
    """Whether a step gives the first row what it gives it when it is alone."""
    if len(x) == 1:
        return True
    first = x[:, 0] if x.ndim == 3 else one_hot(cell, x[:, 0])
    with torch.no_grad():
        together = cell.step(first, state)
        alone = cell.step(first[:1], map_state(lambda leaf: leaf[:1], state))
    rows, row = [leaf[:1] for leaf in pytree.tree_leaves(together)], list(pytree.tree_leaves(alone))
    return _close(rows, row, _tolerance(x.device, row))


def _tolerance(device: torch.device, results: Sequence[Tensor]) -> float:
    """Under autocast a result is exact to no more digits than what it came through."""
    dtypes = {each.dtype for each in results}
    if torch.is_autocast_enabled(device.type):
        dtypes.add(torch.get_autocast_dtype(device.type))
    return max(_TOLERANCE.get(dtype, 0.0) for dtype in dtypes)


def _close(ours: Sequence[Any], theirs: Sequence[Any], tolerance: float) -> bool:
    """Whether tensors are equal but for rounding.

    What is next to nothing beside the others is mostly rounding, and is compared less closely.
    """
    floating = [each for each in theirs if each.is_floating_point() and each.numel()]
    largest = max((float(each.detach().abs().max()) for each in floating), default=0.0)
    for one, other in zip(ours, theirs, strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if not other.is_floating_point():
            if not torch.equal(one, other):
                return False
            continue
        scale = float(other.detach().abs().max()) if other.numel() else 0.0
        if not torch.allclose(one, other, rtol=0, atol=tolerance * (scale + 1e-2 * largest), equal_nan=True):
            return False
    return True
