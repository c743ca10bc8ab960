"""The two loops of the core, forwards and backwards, as one function of autograd.

    forwards      state[0] ──► body ──► state[1] ──► body ──► ... ──► state[T]
                                │ kept                 │ kept
    backwards     d[0] ◄────── body ◄── d[1] ◄─────── body ◄── ... ◄── d[T]

Memory of all steps is allocated once, time first, and cut into views for each step. A body writes
into those views. Afterwards the gradients of weights are computed for all steps at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from seqkit.engine.batched import sum_over_time
from seqkit.engine.body import Body
from seqkit.engine.derivative import differentiate
from seqkit.engine.graphs import value_of
from seqkit.engine.loops import BackwardLoop, ForwardLoop, nodes_of
from seqkit.engine.lowering import Lower
from seqkit.errors import ContractError

Arrays = dict[fx.Node, Tensor]
"""For each node its value at every step, `(time, batch, ...)`."""


class Core:
    """The loops of a core, each made when it is first needed.

    Args:
        plain: the core of a split.
        wanted: for each of its inputs and constants whether a gradient is asked for.
        lower: makes a body of a stage.
    """

    def __init__(self, plain: ForwardLoop, wanted: Sequence[bool], lower: Lower) -> None:
        self.plain = plain
        self._wanted = wanted
        self._lower = lower

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
        emitted, final = flat[: len(core.plain.emitted)], flat[len(core.plain.emitted) :]
        return list(emitted), list(final)
    arrays, final = _forward(core.plain, core.plain_body, time, inputs, constants, state, reset, initial)
    return [arrays[node] for node in core.plain.emitted], final


def _forward(
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
    arrays: Arrays = dict(zip(loop.inputs, (each.contiguous() for each in inputs), strict=True))
    states = [_memory(time + 1, node) for node in loop.state]  # row t is the state before step t
    for memory, start in zip(states, state, strict=True):
        memory[0].copy_(start)
    before = states if reset is None else [_memory(time, node) for node in loop.state]
    for node in loop.kept:
        arrays[node] = _memory(time, node)
    arrays.update(zip(loop.new_state, (memory[1:] for memory in states), strict=True))
    arrays.update(zip(loop.state, (memory[:time] for memory in before), strict=True))

    step = body.bind(constants)
    rows = _rows(
        time,
        body.columns(
            [*(arrays[node] for node in loop.inputs), *(memory[:time] for memory in before)],
            [*(memory[1:] for memory in states), *(arrays[node] for node in loop.kept)],
        ),
    )
    if reset is None:
        for row in rows:
            step(*row)
    else:
        for t, row in enumerate(rows):
            for memory, target, start in zip(states, before, initial, strict=True):
                target[t].copy_(torch.where(_like_rows(reset[t], start), start.to(memory.dtype), memory[t]))
            step(*row)
    return arrays, [memory[time].clone() for memory in states]


class _Unroll(torch.autograd.Function):
    """The recurrence, with a derivative that is a loop of its own."""

    @staticmethod
    def forward(ctx: Any, core: Core, time: int, reset: Tensor | None, *tensors: Tensor) -> Any:
        loop = core.recording
        i, c = len(loop.inputs), len(loop.inputs) + len(loop.constants)
        s = c + len(loop.state)
        constants = tensors[i:c]
        arrays, final = _forward(
            loop, core.recording_body, time, tensors[:i], constants, tensors[c:s], reset, tensors[s:]
        )
        emitted = [arrays[node] for node in loop.emitted]
        ctx.save_for_backward(*constants, *(arrays[node] for node in core.backward.saved))
        ctx.core, ctx.time, ctx.reset, ctx.counts = core, time, reset, (i, c, s, len(tensors))
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(each for each in [*emitted, *final] if not each.is_floating_point()))
        return (*emitted, *final)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise ContractError(
                "a fused unroll has a first derivative only; unroll with engine='loop' to differentiate twice."
            )
        core, time, reset = ctx.core, ctx.time, ctx.reset
        i, c, s, total = ctx.counts
        loop = core.backward
        constants, saved = ctx.saved_tensors[: c - i], ctx.saved_tensors[c - i :]
        arrays = dict(zip(loop.saved, saved, strict=True))
        emitted = core.plain.emitted
        for node, gradient in zip(loop.d_emitted, gradients[: len(emitted)], strict=True):
            if node is not None:
                arrays[node] = _zeros(time, node) if gradient is None else gradient.contiguous()
        floats = [value_of(node).is_floating_point() for node in core.plain.state]
        arriving = [each for each, is_float in zip(gradients[len(emitted) :], floats, strict=True) if is_float]
        starts = [
            (_zeros(1, node)[0] if each is None else each).contiguous()
            for node, each in zip(loop.d_new_state, arriving, strict=True)
        ]
        with torch.autocast(_device_type(core), enabled=False):
            d_state, d_initial, fixed = _backward(core, time, constants, arrays, starts, reset)
            results = dict(zip(nodes_of([*loop.d_inputs, *loop.d_constants]), _finish(loop, arrays, fixed), strict=True))
        d_given = [results.get(node) for node in [*loop.d_inputs, *loop.d_constants]]
        return (None, None, None, *d_given, *_spread(d_state, floats), *(_spread(d_initial, floats) if total > s else ()))


def _backward(
    core: Core,
    time: int,
    constants: Sequence[Tensor],
    arrays: Arrays,
    carry: Sequence[Tensor],
    reset: Tensor | None,
) -> tuple[Sequence[Tensor], list[Tensor], Arrays]:
    """Run the loop backwards: gradients of the first state and of the initial one; `arrays` gets what is kept."""
    loop, body = core.backward, core.backward_body
    made = loop.constants.run(*constants)
    fixed = {node: value.contiguous() for node, value in zip(loop.fixed, made, strict=True)}
    for node in loop.kept:
        arrays[node] = _memory(time, node)
    step = body.bind([fixed[node] for node in loop.fixed])
    columns = body.columns([arrays[node] for node in loop.columns], [arrays[node] for node in loop.kept])
    rows = reversed(list(_rows(time, columns)))
    d_initial: list[Tensor] = []
    if reset is None:
        for row in rows:
            carry = step(*carry, *row)
        return carry, d_initial, fixed
    d_initial = [torch.zeros_like(each) for each in carry]
    for t, row in zip(reversed(range(time)), rows, strict=True):
        carry = list(step(*carry, *row))
        for index, gradient in enumerate(carry):
            back = _like_rows(reset[t], gradient)
            d_initial[index] += torch.where(back, gradient, 0)
            carry[index] = torch.where(back, 0, gradient)
    return carry, d_initial, fixed


def _finish(loop: BackwardLoop, arrays: Arrays, fixed: Arrays) -> list[Tensor]:
    """The gradients of inputs, for all steps, and of constants, summed over them."""
    inputs = len(nodes_of(loop.d_inputs))
    return sum_over_time(
        loop.finish.run,
        [fixed[node] if node in fixed else arrays[node] for node in loop.finish.inputs],
        [node not in fixed for node in loop.finish.inputs],
        range(inputs, len(loop.finish.outputs)),
    )


def _rows(time: int, columns: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """The views of each step."""
    if not columns:
        return iter([()] * time)
    return zip(*(column.unbind(0) for column in columns), strict=True)


def _memory(time: int, node: fx.Node) -> Tensor:
    """Uninitialised, for the node's value at so many steps."""
    value = value_of(node)
    return torch.empty(time, *value.shape, dtype=value.dtype, device=value.device)


def _zeros(time: int, node: fx.Node) -> Tensor:
    value = value_of(node)
    return torch.zeros((), dtype=value.dtype, device=value.device).expand(time, *value.shape)


def _like_rows(rows: Tensor, other: Tensor) -> Tensor:
    """`(batch,)` with as many axes as the other tensor."""
    return rows.view(-1, *[1] * (other.ndim - 1))


def _device_type(core: Core) -> str:
    return value_of(core.plain.state[0]).device.type


def _spread(gradients: Sequence[Tensor], floats: Sequence[bool]) -> list[Tensor | None]:
    """One gradient for each leaf of the state; None for one that is not floating."""
    waiting = iter(gradients)
    return [next(waiting) if is_float else None for is_float in floats]
