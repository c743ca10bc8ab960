"""The two loops of the core, forward and backward, as one `autograd.Function`.

    forwards      state[0] ──► body ──► state[1] ──► body ──► ... ──► state[T]
                                │ kept                 │ kept
    backwards     d[0] ◄────── body ◄── d[1] ◄─────── body ◄── ... ◄── d[T]
                                └─────────┴── finish: gradients of weights, many steps at once

The memory of all steps is contiguous, time first. A body reads and writes its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from seqkit.engine.run.backward import run_backward
from seqkit.engine.run.body import Body
from seqkit.engine.run.lowering import Lower
from seqkit.engine.run.memory import Pool
from seqkit.engine.split.derivative import differentiate
from seqkit.engine.split.loops import Arrays, BackwardLoop, ForwardLoop
from seqkit.engine.trace.functional import TRACING
from seqkit.engine.trace.graphs import is_differentiable, value_of
from seqkit.errors import ContractError


class Core:
    """The loops of a core, each made at first use.

    Args:
        plain: the core of a split.
        wanted: for each of its inputs and constants, whether its gradient is required.
        lower: makes the body of a stage.
        pool: provides memory.
    """

    def __init__(self, plain: ForwardLoop, wanted: Sequence[bool], lower: Lower, pool: Pool) -> None:
        self.plain = plain
        self._wanted = wanted
        self._lower = lower
        self._pool = pool

    @cached_property
    def _loops(self) -> tuple[ForwardLoop, BackwardLoop]:
        with TRACING:
            return differentiate(self.plain, self._wanted)

    @property
    def recording(self) -> ForwardLoop:
        """The forward loop that also saves what the backward loop reads."""
        return self._loops[0]

    @property
    def backward(self) -> BackwardLoop:
        """The backward loop."""
        return self._loops[1]

    @cached_property
    def plain_body(self) -> Body:
        """One forward step."""
        with TRACING:
            return self._lower(self.plain.stage, len(self.plain.constants))

    @cached_property
    def recording_body(self) -> Body:
        """One forward step that also saves values for the backward loop."""
        with TRACING:
            return self._lower(self.recording.stage, len(self.recording.constants))

    @cached_property
    def backward_body(self) -> Body:
        """One backward step."""
        with TRACING:
            return self._lower(self.backward.stage, len(self.backward.fixed))

    @property
    def device_type(self) -> str:
        """The type of the device that the loops run on."""
        given = [*self.plain.state, *self.plain.inputs, *self.plain.constants]
        return value_of(given[0]).device.type if given else "cpu"

    def begin(self) -> None:
        """Call this at the start of an unroll."""
        self._pool.begin()

    def memory(self, time: int, node: fx.Node, count: int = 1) -> Tensor:
        """Uninitialised memory for `time` steps of `count` values like the node's, side by side."""
        value = value_of(node)
        shape = (time, *value.shape[:-1], count * value.shape[-1]) if count > 1 else (time, *value.shape)
        return self._pool.empty(shape, value.dtype, value.device)


def run_core(
    core: Core,
    time: int,
    inputs: Sequence[Tensor],
    constants: Sequence[Tensor],
    state: Sequence[Tensor],
) -> tuple[list[Tensor], list[Tensor]]:
    """The emitted values of all steps, and the final state.

    Args:
        core: the loops.
        time: number of steps.
        inputs: each `(time, batch, ...)`.
        constants: the same at every step.
        state: leaves of the state before the first step.
    """
    tensors = [*inputs, *constants, *state]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        flat = _Unroll.apply(core, time, *tensors)  # type: ignore[no-untyped-call]
        return list(flat[: len(core.plain.emitted)]), list(flat[len(core.plain.emitted) :])
    arrays, final = _forward(core, core.plain, core.plain_body, time, inputs, constants, state)
    return [arrays[node] for node in core.plain.emitted], final


class _Unroll(torch.autograd.Function):
    """The recurrence, whose derivative is a second loop."""

    @staticmethod
    def forward(ctx: Any, core: Core, time: int, *tensors: Tensor) -> Any:
        loop, _ = core.recording, core.backward_body  # made here: backward may run in another thread
        i, c = len(loop.inputs), len(loop.inputs) + len(loop.constants)
        constants = tensors[i:c]
        arrays, final = _forward(core, loop, core.recording_body, time, tensors[:i], constants, tensors[c:])
        emitted = [arrays[node] for node in loop.emitted]
        ctx.save_for_backward(*constants, *(arrays[node] for node in core.backward.saved))
        ctx.core, ctx.time = core, time
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(each for each in [*emitted, *final] if not is_differentiable(each)))
        return (*emitted, *final)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise ContractError(
                "a fused unroll has a first derivative only; use engine='loop' to differentiate twice."
            )
        core, time = ctx.core, ctx.time
        loop, emitted, state = core.backward, core.plain.emitted, core.plain.state
        saved = ctx.saved_tensors  # read once: under a checkpoint each access recomputes them
        constants = saved[: len(core.plain.constants)]
        arrays = dict(zip(loop.saved, saved[len(constants) :], strict=True))
        for node, gradient in zip(loop.d_emitted, gradients[: len(emitted)], strict=True):
            if node is not None:
                arrays[node] = _zeros(time, node) if gradient is None else gradient.contiguous()
        floats = [is_differentiable(value_of(node)) for node in state]
        arriving = [
            each for each, is_float in zip(gradients[len(emitted) :], floats, strict=True) if is_float
        ]
        carry = [
            (_zeros(1, node)[0] if each is None else each).contiguous()
            for node, each in zip(loop.d_new_state, arriving, strict=True)
        ]
        with torch.autocast(core.device_type, enabled=False):
            d_given, d_state = run_backward(core, time, constants, arrays, carry)
        return (None, None, *d_given, *_spread(d_state, floats))


def _forward(
    core: Core,
    loop: ForwardLoop,
    body: Body,
    time: int,
    inputs: Sequence[Tensor],
    constants: Sequence[Tensor],
    state: Sequence[Tensor],
) -> tuple[Arrays, list[Tensor]]:
    """Run the loop: the arrays of all steps, and the final state."""
    core.begin()
    states = [core.memory(time + 1, node) for node in loop.state]  # row t is the state before step t
    for memory, start in zip(states, state, strict=True):
        memory[0].copy_(start)
    # A new state may be an old state or an input. Those have their own memory, so they are entered last.
    arrays: Arrays = dict(zip(loop.new_state, (memory[1:] for memory in states), strict=True))
    arrays.update(zip(loop.state, (memory[:time] for memory in states), strict=True))
    arrays.update(zip(loop.inputs, (each.contiguous() for each in inputs), strict=True))
    for nodes in loop.blocks:
        block = core.memory(time, nodes[0], len(nodes))
        arrays.update(zip(nodes, block.chunk(len(nodes), dim=-1), strict=True))

    reads = [arrays[node] for node in loop.inputs]
    written = [*(memory[1:] for memory in states), *(arrays[node] for node in loop.kept)]
    run = body.bind(constants)([*reads, *(memory[:time] for memory in states)], written)
    run(range(time))
    return arrays, [memory[time].clone() for memory in states]


def _zeros(time: int, node: fx.Node) -> Tensor:
    value = value_of(node)
    return torch.zeros((), dtype=value.dtype, device=value.device).expand(time, *value.shape).contiguous()


def _spread(gradients: Sequence[Tensor], floats: Sequence[bool]) -> list[Tensor | None]:
    """One gradient for each leaf of the state; None for one that is not floating."""
    waiting = iter(gradients)
    return [next(waiting) if is_float else None for is_float in floats]
