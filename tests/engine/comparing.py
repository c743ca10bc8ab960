"""One unroll in full: outputs, state, and all gradients, to compare engines with each other."""

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seqkit import Cell, unroll


def everything(
    cell: Cell,
    x: Tensor,
    state: Any = None,
    reset: Tensor | None = None,
    table: Tensor | None = None,
    **options: Any,
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs and final state, and the gradients of the input, its table, the state and every parameter."""
    outputs, final = unroll(cell, x, state, reset=reset, table=table, **options)
    results = [outputs, *pytree.tree_leaves(final)]
    ends = [end for end in results if end.requires_grad]
    starts = [start for start in [x, table, *pytree.tree_leaves(state)] if isinstance(start, Tensor)]
    wanted = [start for start in [*starts, *cell.parameters()] if start.requires_grad]
    if not ends or not wanted:
        return [result.detach() for result in results], []
    weights = [_weights_like(end) for end in ends]
    gradients = torch.autograd.grad(ends, wanted, weights, allow_unused=True, materialize_grads=True)
    return [result.detach() for result in results], list(gradients)


def _weights_like(end: Tensor) -> Tensor:
    """A gradient for a result that differs at every position."""
    places = torch.arange(end.numel(), dtype=torch.float64)
    weights = torch.complex(places.cos(), places.sin()) if end.is_complex() else places.cos()
    return weights.to(end.dtype).view(end.shape)


def inputs_of(cell: Cell, seed: int, batch: int = 3, time: int = 6) -> dict[str, Any]:
    """Random input, state and resets; numbers, ids or rows of a table, with and without gradients."""
    generator = torch.Generator().manual_seed(seed)
    table = None
    if seed % 8 == 4:
        table = torch.randn(7, cell.input_size, generator=generator, dtype=torch.float64)
        table.requires_grad_(seed % 3 > 0)
        x = torch.randint(7, (batch, time), generator=generator)
    elif seed % 4 == 0:
        x = torch.randint(cell.input_size, (batch, time), generator=generator)
    else:
        x = torch.randn(batch, time, cell.input_size, generator=generator, dtype=torch.float64)
        x.requires_grad_(seed % 2 == 0)

    def noise(leaf: Tensor) -> Tensor:
        if not leaf.is_floating_point():
            return leaf
        return torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype).requires_grad_(seed % 3 == 0)

    state = None if seed % 5 == 0 else pytree.tree_map(noise, cell.initial_state(batch))
    reset = torch.rand(batch, time, generator=generator) < 0.2 if seed % 7 < 2 else None
    return {"x": x, "state": state, "reset": reset, "table": table}


def require_equal(ours: Any, theirs: Any, tolerance: float = 1e-9) -> None:
    for one, other in zip(pytree.tree_leaves(ours), pytree.tree_leaves(theirs), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        scale = float(other.detach().double().abs().max()) + 1 if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale)
