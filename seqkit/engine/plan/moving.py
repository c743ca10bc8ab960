"""The same call with perturbed values, for a comparison: weights, inputs and state; no zero stays zero.

No tensor of the user is modified, and no random number is drawn from PyTorch's own generators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from seqkit.cells.base import map_state
from seqkit.engine.loop import unroll_loop
from seqkit.engine.trace.call import Call
from seqkit.engine.trace.graphs import is_differentiable

Move = Callable[[Tensor], Tensor]

_STEPS_BEFORE = 2


def moved_calls(call: Call) -> Iterator[Callable[[], Call]]:
    """The call with all values perturbed; then with smaller changes, for a step that fails on the first.

    Each item is a function that makes the call. It runs some steps in the loop, and raises what they raise.
    """
    for size, opens_state in ((0.3, True), (0.3, False), (0.01, False)):
        yield partial(_moved, call, size, opens_state=opens_state)


def _moved(call: Call, size: float, *, opens_state: bool) -> Call:
    move = _mover(size)
    moved = _on_moved_weights(call, move)
    # A state that a run can reach: the one after some steps.
    steps = moved.steps(slice(_STEPS_BEFORE))
    with torch.no_grad():
        state = unroll_loop(replace(steps, reset=None))[1]
    state = map_state(lambda leaf, like: leaf.detach().to(like.dtype), state, call.state)
    return moved.from_state(map_state(move, state) if opens_state else state)


def jittered(call: Call) -> Call:
    """The call with weights, inputs and state perturbed by about one rounding error."""

    def move(tensor: Tensor) -> Tensor:
        return _mover(torch.finfo(tensor.dtype).eps)(tensor) if is_differentiable(tensor) else tensor

    moved = _on_moved_weights(call, move)
    return moved.from_state(map_state(lambda leaf: move(leaf.detach()), call.state))


def _on_moved_weights(call: Call, move: Move) -> Call:
    """The call with perturbed weights, table and input."""

    def moved(tensor: Tensor) -> Tensor:
        result = move(tensor.detach())
        return result.requires_grad_(tensor.requires_grad) if is_differentiable(tensor) else result

    on_weights = call.with_weights({name: moved(tensor) for name, tensor in call.weights.items()})
    table = None if call.table is None else moved(call.table)
    return replace(on_weights, x=move(call.x.detach()), table=table)


def _mover(size: float) -> Move:
    """Perturbs each number by up to this share of itself, a zero by up to this share of the mean size."""
    generator = torch.Generator().manual_seed(0)

    def move(tensor: Tensor) -> Tensor:
        if not is_differentiable(tensor) or not tensor.numel():
            return tensor
        real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
        noise = torch.rand(real.shape, generator=generator, dtype=torch.float64) * 2 - 1
        noise = (size * noise).to(real.device, real.dtype)
        sizes = real.abs()
        mean = torch.where(sizes.isfinite(), sizes, 0).mean()
        result = torch.where(real == 0, noise * torch.where(mean > 0, mean, 1), real * (1 + noise))
        return torch.view_as_complex(result) if tensor.is_complex() else result

    return move
