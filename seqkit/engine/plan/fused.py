"""The fused engine: it splits a plain step, and runs in the loop only what depends on the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from seqkit.cells.base import State, map_state
from seqkit.engine.loop import unroll_loop
from seqkit.engine.plan.plans import Plans
from seqkit.engine.run.batched import run_batched
from seqkit.engine.run.body import PythonBody
from seqkit.engine.run.core import Core, run_core
from seqkit.engine.run.lowering import Lower, lower
from seqkit.engine.run.memory import Pool
from seqkit.engine.split.resets import resettable
from seqkit.engine.split.split import split_step
from seqkit.engine.trace.call import Call
from seqkit.engine.trace.functional import TRACING
from seqkit.engine.trace.graphs import Stage, is_differentiable, value_of
from seqkit.engine.trace.lines import line_of
from seqkit.engine.trace.refusal import refusal
from seqkit.engine.trace.trace import StepGraph, trace_step

Stepper = Callable[[Tensor], Tensor]
"""Takes an input, updates its own state, and returns the output."""

TABLE: Final = "::table"
"""The key, among the weights, of the table that the ids index. It is not a weight of the cell."""

_UNSETTLED_STEPS: Final = 3


class FusedEngine:
    """Unrolls a cell by the split of its step, which is computed once and cached.

    Args:
        lower: makes the bodies of the loops.
    """

    def __init__(self, lower: Lower = lower) -> None:
        self._lower = lower
        self._pool = Pool()
        self.plans = Plans(self._make)

    def __call__(self, call: Call) -> tuple[Tensor, State]:
        """See `unroll`.

        Raises:
            SplitError: the step cannot be split, or the split differs from the loop.
        """
        outputs: list[Tensor] = []
        for _ in range(_UNSETTLED_STEPS):
            plan = self._find(call)
            if plan.settled:
                output, state = plan.unroll(call)
                return output if not outputs else _joined([*outputs, output]), state
            # Under autocast a state may have another dtype after the first step than before it.
            output, state = unroll_loop(call.steps(slice(1)))
            outputs.append(output)
            call = call.steps(slice(1, None)).from_state(state)
            if not call.x.shape[1]:
                return _joined(outputs), state
        raise refusal(call.cell, *plan.unsettled)

    def stepper(self, call: Call) -> Stepper:
        """See `make_stepper`; the call's input is a single step, with a time axis.

        Raises:
            SplitError: the step cannot be split, or the split differs from the loop.
        """
        with torch.no_grad():
            plan = self._find(call)
            if not plan.settled:
                raise refusal(call.cell, *plan.unsettled)
            return plan.stepper(call)

    def _find(self, call: Call) -> SplitPlan:
        plan = self.plans.find(call)
        assert isinstance(plan, SplitPlan)
        return plan

    def _make(self, call: Call) -> SplitPlan:
        return SplitPlan(call, self._lower, self._pool)


class SplitPlan:
    """How to unroll one cell for one kind of call, by the split of its step.

    Args:
        call: a call of that kind.
        lower: makes the bodies of the loops.
        pool: provides their memory.
    """

    def __init__(self, call: Call, lower: Lower, pool: Pool) -> None:
        step = _traced(call)
        self.resets = call.reset is not None
        self._places = step.places
        values = [node.meta.get("val") for node in step.graph.nodes if node.op == "call_function"]
        self.dtypes = {value.dtype for value in values if isinstance(value, Tensor)}
        self.unsettled = _unsettled(step)
        self.settled = not self.unsettled
        table = None if call.table is None else step.weights[-1]
        self._split = split_step(step, ids=call.x.ndim == 2, table=table) if self.settled else None
        self._lower, self._pool = lower, pool
        self._core: Core | None = None
        self._step: PythonBody | None = None

    def place_of(self, name: str) -> tuple[str, str]:
        """See `Plan`."""
        return self._places.get(name, ("", ""))

    def step_values(self, call: Call) -> dict[str, Tensor]:
        """See `Plan`."""
        assert self._split is not None  # it is settled
        constants = self._split.constants.run(*_tensors(call).values())
        step = fx.Interpreter(self._split.step.run, garbage_collect_values=False)
        step.run(*constants, call.x[:, 0], *pytree.tree_leaves(call.state))
        values = {f"{node.name}|{line_of(node)}": value for node, value in step.env.items()}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def unroll(self, call: Call) -> tuple[Tensor, State]:
        """See `Plan`."""
        split = self._split
        assert split is not None  # it is settled
        x, reset, time = call.x, call.reset, call.x.shape[1]
        leaves, structure = pytree.tree_flatten(call.state)
        initial = None if reset is None else map_state(_like, call.state, call.initial_state())
        with torch.autocast(x.device.type, enabled=False):  # the casts are in the graph
            known: dict[fx.Node, Any] = dict(
                zip(split.constants.outputs, split.constants.run(*_tensors(call).values()), strict=True)
            )
            steps = {split.before.inputs[0]: (x if x.ndim == 3 else x.long()).transpose(0, 1)}
            before = _run_batched(split.before, known, steps)
            steps.update(zip(split.before.outputs, (value for value, _ in before), strict=True))
            inputs = [steps[node] for node in split.core.inputs]
            constants = [known[node] for node in split.core.constants]
            if reset is not None:
                inputs += [reset.t().reshape(time, len(x), *[1] * (leaf.ndim - 1)) for leaf in leaves]
                constants += pytree.tree_leaves(initial)
            core = self._core_for(inputs, constants, resets=reset is not None)
            emitted, final = run_core(core, time, inputs, constants, leaves)
            steps.update(zip(split.core.emitted, emitted, strict=True))
            output, varying = _run_batched(split.after, known, steps)[0]
        if not varying:
            output = output.expand(time, *output.shape)
        return output.transpose(0, 1), pytree.tree_unflatten(final, structure)

    def stepper(self, call: Call) -> Stepper:
        """One step at a time; what depends only on the weights is computed once, now."""
        split = self._split
        assert split is not None  # it is settled
        constants = split.constants.run(*call.weights.values())
        with TRACING:
            if self._step is None:
                self._step = lower(split.step, len(constants), len(split.step.outputs))
        step = self._step.step(constants)
        leaves = pytree.tree_leaves(call.state)

        def advance(x: Tensor) -> Tensor:
            nonlocal leaves
            output: Tensor
            output, *leaves = step(x, *leaves)
            return output

        return advance

    def _core_for(self, inputs: list[Tensor], constants: list[Tensor], *, resets: bool) -> Core:
        """The loops; the kind of call fixes which gradients are required, and whether there are resets."""
        if self._core is None:
            assert self._split is not None
            count = len(self._split.core.constants)
            wanted = [tensor.requires_grad for tensor in [*inputs, *constants[:count]]]
            wanted += [True] * (len(constants) - count)  # initial states: another call's may have gradients
            loop = resettable(self._split.core) if resets else self._split.core
            self._core = Core(loop, wanted, self._lower, self._pool)
        return self._core


def _run_batched(
    stage: Stage, known: dict[fx.Node, Any], steps: dict[fx.Node, Tensor]
) -> list[tuple[Any, bool]]:
    """Run a stage for all steps, on values that are the same at every step and values of all steps."""
    given = [steps[node] if node in steps else known[node] for node in stage.inputs]
    return run_batched(stage.run, given, [node in steps for node in stage.inputs])


def _tensors(call: Call) -> dict[str, Tensor]:
    """The weights, and the table as one more tensor."""
    return call.weights if call.table is None else {**call.weights, TABLE: call.table}


def _traced(call: Call) -> StepGraph:
    """The graph of a step, for calls of this kind."""
    x, table = call.x, call.table
    if table is not None:
        one_step = table.detach().new_zeros(len(x), table.shape[1])
    else:
        one_step = call.cell.zeros(len(x), call.cell.input_size) if x.ndim == 2 else x.detach()[:, 0]
    # The first state may not require a gradient, but later ones do.
    gradients = torch.is_grad_enabled()
    state = map_state(
        lambda leaf: leaf.detach().requires_grad_(gradients and is_differentiable(leaf)), call.state
    )
    one_step.requires_grad_(x.requires_grad if table is None else table.requires_grad)
    return trace_step(call.from_state(state), _tensors(call), one_step)


def _unsettled(step: StepGraph) -> tuple[str, str] | tuple[()]:
    """Which part of the state has another shape or dtype after a step, and its line; empty if none has."""
    for index, (before, after) in enumerate(zip(step.state, step.new_state, strict=True)):
        was, is_now = value_of(before), value_of(after)
        if was.shape != is_now.shape or was.dtype != is_now.dtype:
            kinds = f"from {was.dtype} {tuple(was.shape)} to {is_now.dtype} {tuple(is_now.shape)}"
            reason = f"its state changes its shape or dtype from step to step (tensor {index}, {kinds})"
            return reason, step.places[f"state[{index}]"][1]
    return ()


def _like(leaf: Tensor, start: Tensor) -> Tensor:
    """The initial leaf with the shape and dtype of the state's leaf; under autocast the dtypes may differ."""
    return start.to(leaf.dtype).expand(leaf.shape)


def _joined(outputs: list[Tensor]) -> Tensor:
    """Outputs of successive steps, in time-major memory."""
    return torch.cat([output.transpose(0, 1) for output in outputs]).transpose(0, 1)
