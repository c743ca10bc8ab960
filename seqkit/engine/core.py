"""The two loops of the core, forwards and backwards, as one function of autograd.

    forwards      state[0] ──► body ──► state[1] ──► body ──► ... ──► state[T]
                                │ kept                 │ kept
    backwards     d[0] ◄────── body ◄── d[1] ◄─────── body ◄── ... ◄── d[T]
                                └─────────┴── finish: gradients of weights, many steps at once

Memory of all steps is one block, time first, and cut into views for each step. A body writes into those
views. The backward loop goes in chunks of steps, so that what it keeps for `finish` stays small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor, fx

from seqkit.engine.batched import sum_over_time
from seqkit.engine.body import Body
from seqkit.engine.derivative import differentiate
from seqkit.engine.graphs import value_of
from seqkit.engine.loop import like_rows, reset_leaf
from seqkit.engine.loops import BackwardLoop, ForwardLoop, nodes_of
from seqkit.engine.lowering import Lower
from seqkit.engine.memory import Pool
from seqkit.errors import ContractError

Arrays = dict[fx.Node, Tensor]
"""For each node its value at every step, `(time, batch, ...)`."""

CHUNK_BYTES: Final = 4 << 20
"""What the backward loop keeps at a time: it fits a processor's cache, and has rows enough for a product."""


class Core:
    """The loops of a core, each made when it is first needed.

    Args:
        plain: the core of a split.
        wanted: for each of its inputs and constants whether a gradient is asked for.
        lower: makes a body of a stage.
        pool: where memory comes from.
    """

    def __init__(self, plain: ForwardLoop, wanted: Sequence[bool], lower: Lower, pool: Pool) -> None:
        self.plain = plain
        self._wanted = wanted
        self._lower = lower
        self._pool = pool

    @cached_property
    def _loops(self) -> tuple[ForwardLoop, BackwardLoop]:
        return differentiate(self.plain, self._wanted)

    @property
    def recording(self) -> ForwardLoop:
        """The loop forwards that keeps what the one backwards reads."""
        return self._loops[0]

    @property
    def backward(self) -> BackwardLoop:
        """The loop backwards."""
        return self._loops[1]

    @cached_property
    def plain_body(self) -> Body:
        """One step forwards."""
        return self._lower(self.plain.stage, len(self.plain.constants), 0)

    @cached_property
    def recording_body(self) -> Body:
        """One step forwards that keeps more."""
        return self._lower(self.recording.stage, len(self.recording.constants), 0)

    @cached_property
    def backward_body(self) -> Body:
        """One step backwards, which gives the gradient of the state before it."""
        return self._lower(self.backward.stage, len(self.backward.fixed), len(self.backward.d_new_state))

    def begin(self) -> None:
        """To be called at the start of an unroll."""
        self._pool.begin()

    def memory(self, time: int, node: fx.Node, count: int = 1) -> Tensor:
        """For so many values like the node's, side by side, at so many steps; the content is undefined."""
        value = value_of(node)
        shape = (time, *value.shape[:-1], count * value.shape[-1]) if count > 1 else (time, *value.shape)
        return self._pool.empty(shape, value.dtype, value.device)


def run_core(
    core: Core,
    time: int,
    inputs: Sequence[Tensor],
    constants: Sequence[Tensor],
    state: Sequence[Tensor],
    reset: Tensor | None,
    initial: Sequence[Tensor],
) -> tuple[list[Tensor], list[Tensor]]:
    """The emitted values of all steps, and the final state.

    Args:
        core: the loops.
        time: number of steps.
        inputs: each `(time, batch, ...)`.
        constants: the same at every step.
        state: leaves of the state before the first step.
        reset: `(time, batch)` bool; where true, the row's state is `initial` before that step.
        initial: leaves of the state that a reset returns to; used where there is a reset.
    """
    tensors = [*inputs, *constants, *state, *(initial if reset is not None else ())]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        flat = _Unroll.apply(core, time, reset, *tensors)  # type: ignore[no-untyped-call]
        return list(flat[: len(core.plain.emitted)]), list(flat[len(core.plain.emitted) :])
    arrays, final = _forward(
        core, core.plain, core.plain_body, time, inputs, constants, state, reset, initial
    )
    return [arrays[node] for node in core.plain.emitted], final


class _Unroll(torch.autograd.Function):
    """The recurrence, with a derivative that is a loop of its own."""

    @staticmethod
    def forward(ctx: Any, core: Core, time: int, reset: Tensor | None, *tensors: Tensor) -> Any:
        loop = core.recording
        i, c = len(loop.inputs), len(loop.inputs) + len(loop.constants)
        s = c + len(loop.state)
        constants, initial = tensors[i:c], tensors[s:]
        arrays, final = _forward(
            core, loop, core.recording_body, time, tensors[:i], constants, tensors[c:s], reset, initial
        )
        emitted = [arrays[node] for node in loop.emitted]
        ctx.save_for_backward(*constants, *(arrays[node] for node in core.backward.saved))
        ctx.core, ctx.time, ctx.reset, ctx.has_initial = core, time, reset, bool(initial)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(each for each in [*emitted, *final] if not each.is_floating_point()))
        return (*emitted, *final)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise ContractError(
                "a fused unroll has a first derivative only; use engine='loop' to differentiate twice."
            )
        core, time = ctx.core, ctx.time
        loop, emitted, state = core.backward, core.plain.emitted, core.plain.state
        saved = ctx.saved_tensors  # asked for once: under a checkpoint each asking computes them again
        constants = saved[: len(core.plain.constants)]
        arrays = dict(zip(loop.saved, saved[len(constants) :], strict=True))
        for node, gradient in zip(loop.d_emitted, gradients[: len(emitted)], strict=True):
            if node is not None:
                arrays[node] = _zeros(time, node) if gradient is None else gradient.contiguous()
        floats = [value_of(node).is_floating_point() for node in state]
        arriving = [
            each for each, is_float in zip(gradients[len(emitted) :], floats, strict=True) if is_float
        ]
        carry = [
            (_zeros(1, node)[0] if each is None else each).contiguous()
            for node, each in zip(loop.d_new_state, arriving, strict=True)
        ]
        with torch.autocast(value_of(state[0]).device.type, enabled=False):
            d_given, d_state, d_initial = _backward(core, time, constants, arrays, carry, ctx.reset)
        d_starts = [*_spread(d_state, floats), *(_spread(d_initial, floats) if ctx.has_initial else ())]
        return (None, None, None, *d_given, *d_starts)


def _forward(
    core: Core,
    loop: ForwardLoop,
    body: Body,
    time: int,
    inputs: Sequence[Tensor],
    constants: Sequence[Tensor],
    state: Sequence[Tensor],
    reset: Tensor | None,
    initial: Sequence[Tensor],
) -> tuple[Arrays, list[Tensor]]:
    """Run the loop: the arrays of all steps, and the final state."""
    core.begin()
    states = [core.memory(time + 1, node) for node in loop.state]  # row t is the state before step t
    for memory, start in zip(states, state, strict=True):
        memory[0].copy_(start)
    before = states if reset is None else [core.memory(time, node) for node in loop.state]
    # A new state may be an old one or an input: those have their own memory, so they come last.
    arrays: Arrays = dict(zip(loop.new_state, (memory[1:] for memory in states), strict=True))
    arrays.update(zip(loop.state, (memory[:time] for memory in before), strict=True))
    arrays.update(zip(loop.inputs, (each.contiguous() for each in inputs), strict=True))
    for nodes in loop.blocks:
        block = core.memory(time, nodes[0], len(nodes))
        arrays.update(zip(nodes, block.chunk(len(nodes), dim=-1), strict=True))

    step = body.bind(constants)
    reads = [*(arrays[node] for node in loop.inputs), *(memory[:time] for memory in before)]
    written = [*(memory[1:] for memory in states), *(arrays[node] for node in loop.kept)]
    rows = _rows(time, body.columns(reads, written))
    if reset is None:
        for row in rows:
            step(*row)
    else:
        for t, row in enumerate(rows):
            for memory, target, start in zip(states, before, initial, strict=True):
                target[t].copy_(reset_leaf(reset[t], start, memory[t]))
            step(*row)
    return arrays, [memory[time].clone() for memory in states]


def _backward(
    core: Core,
    time: int,
    constants: Sequence[Tensor],
    arrays: Arrays,
    carry: Sequence[Tensor],
    reset: Tensor | None,
) -> tuple[list[Tensor | None], Sequence[Tensor], list[Tensor]]:
    """Run the loop backwards: gradients of inputs and constants, of the first state, of the initial one."""
    loop = core.backward
    fixed = dict(zip(loop.fixed, (each.contiguous() for each in loop.constants.run(*constants)), strict=True))
    step = core.backward_body.bind([fixed[node] for node in loop.fixed])
    results: list[Tensor] = []
    d_inputs = nodes_of(loop.d_inputs)
    whole = {node: core.memory(time, node) for node in d_inputs}
    steps = _chunk(time, loop, whole)
    kept = {node: core.memory(steps, node) for node in loop.kept if node not in whole}
    d_initial = [torch.zeros_like(each) for each in carry] if reset is not None else []
    for stop in range(time, 0, -steps):
        start = max(0, stop - steps)
        chunk = {node: array[start:stop] for node, array in arrays.items()}
        chunk |= {node: memory[: stop - start] for node, memory in kept.items()}
        chunk |= {node: memory[start:stop] for node, memory in whole.items() if node in loop.kept}
        reads, written = [chunk[node] for node in loop.columns], [chunk[node] for node in loop.kept]
        rows = reversed([*_rows(stop - start, core.backward_body.columns(reads, written))])
        if reset is None:
            for row in rows:
                carry = step(*carry, *row)
        else:
            for t, row in zip(reversed(range(start, stop)), rows, strict=True):
                carry = _cut_rows(step(*carry, *row), reset[t], d_initial)
        found = _finish(loop, chunk, fixed)
        for node, gradient in zip(d_inputs, found, strict=False):
            if node not in loop.kept:
                whole[node][start:stop].copy_(gradient)
        sums = found[len(d_inputs) :]
        results = (
            sums if not results else [total.add_(more) for total, more in zip(results, sums, strict=True)]
        )
    found_for = {**whole, **dict(zip(nodes_of(loop.d_constants), results, strict=True))}
    return (
        [None if n is None else found_for[n] for n in [*loop.d_inputs, *loop.d_constants]],
        carry,
        d_initial,
    )


def _chunk(time: int, loop: BackwardLoop, whole: Arrays) -> int:
    """How many steps the backward loop goes before the gradients are summed up."""
    values = [value_of(node) for node in loop.kept if node not in whole]
    bytes_a_step = sum(value.numel() * value.element_size() for value in values)
    chunks = max(1, math.ceil(time * bytes_a_step / CHUNK_BYTES))
    return math.ceil(time / chunks)


def _cut_rows(gradients: Sequence[Tensor], reset: Tensor, d_initial: list[Tensor]) -> list[Tensor]:
    """The gradients that go on to the step before; rows that started anew give theirs back."""
    going_on = []
    for gradient, total in zip(gradients, d_initial, strict=True):
        back = like_rows(reset, gradient)
        total += torch.where(back, gradient, 0)
        going_on.append(torch.where(back, 0, gradient))
    return going_on


def _finish(loop: BackwardLoop, arrays: Arrays, fixed: Arrays) -> list[Tensor]:
    """The gradients of inputs, for these steps, and of constants, summed over them."""
    return sum_over_time(
        loop.finish.run,
        [fixed[node] if node in fixed else arrays[node] for node in loop.finish.inputs],
        [node not in fixed for node in loop.finish.inputs],
        range(len(nodes_of(loop.d_inputs)), len(loop.finish.outputs)),
    )


def _rows(time: int, columns: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """The views of each step."""
    return zip(*(column.unbind(0) for column in columns), strict=True) if columns else iter([()] * time)


def _zeros(time: int, node: fx.Node) -> Tensor:
    value = value_of(node)
    return torch.zeros((), dtype=value.dtype, device=value.device).expand(time, *value.shape).contiguous()


def _spread(gradients: Sequence[Tensor], floats: Sequence[bool]) -> list[Tensor | None]:
    """One gradient for each leaf of the state; None for one that is not floating."""
    waiting = iter(gradients)
    return [next(waiting) if is_float else None for is_float in floats]
