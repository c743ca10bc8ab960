"""The fused engine: a plain step, split, with the loop reduced to what must wait for the state."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch.nn.utils import parametrize
from torch.utils import _pytree as pytree

from seqkit.cells.base import Cell, State, map_state
from seqkit.engine.attributes import attributes_of
from seqkit.engine.batched import run_batched
from seqkit.engine.body import PythonBody
from seqkit.engine.check import difference_from_loop
from seqkit.engine.core import Core, run_core
from seqkit.engine.graphs import Stage, value_of
from seqkit.engine.loop import unroll_loop
from seqkit.engine.lowering import Lower, lower
from seqkit.engine.memory import Pool
from seqkit.engine.resets import resettable
from seqkit.engine.split import split_step
from seqkit.engine.trace import StepGraph, trace_step
from seqkit.engine.weights import Weights, weights_of
from seqkit.errors import SeqkitError, SplitError

Stepper = Callable[[Tensor], Tensor]
"""Takes an input, moves its state on, and returns the output."""

TABLE: Final = "::table"
"""The place, among the weights, of the table whose rows the ids stand for. It is no weight of the cell."""

Plans = dict[Hashable, "Plan | SplitError"]
"""For each kind of call the plan, or why there is none."""

_UNSETTLED_STEPS: Final = 3


class FusedEngine:
    """Unrolls a cell by the split of its step, which is found once and kept.

    Args:
        lower: how the bodies of the loops are made.
    """

    def __init__(self, lower: Lower = lower) -> None:
        self._lower = lower
        self._pool = Pool()
        # What was found for a cell goes when the cell goes.
        self._plans: weakref.WeakKeyDictionary[Cell, Plans] = weakref.WeakKeyDictionary()

    def __call__(
        self, cell: Cell, x: Tensor, state: State, reset: Tensor | None, table: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """See `unroll`.

        Raises:
            SplitError: the step cannot be split, or the split differs from the loop.
        """
        with parametrize.cached():
            weights = weights_of(cell) if table is None else {**weights_of(cell), TABLE: table}
            outputs: list[Tensor] = []
            for _ in range(_UNSETTLED_STEPS):
                plan = self._plan(cell, weights, x, state, reset)
                if plan.settled:
                    output, state = plan.unroll(weights, cell, x, state, reset)
                    return output if not outputs else _joined([*outputs, output]), state
                # Under autocast a state may have another dtype after the first step than before it.
                first_reset = None if reset is None else reset[:, :1]
                output, state = unroll_loop(cell, x[:, :1], state, first_reset, table)
                outputs.append(output)
                x, reset = x[:, 1:], None if reset is None else reset[:, 1:]
                if not x.shape[1]:
                    return _joined(outputs), state
        raise SplitError(
            f"the step of {type(cell).__name__} cannot be split: "
            "its state has another shape or dtype at every step."
        )

    def stepper(self, cell: Cell, x: Tensor, state: State) -> Stepper:
        """See `make_stepper`.

        Raises:
            SplitError: the step cannot be split, or the split differs from the loop.
        """
        with parametrize.cached(), torch.no_grad():
            weights = weights_of(cell)
            plan = self._plan(cell, weights, x[:, None], state, None)
            if not plan.settled:
                raise SplitError(f"the state of {type(cell).__name__} changes its shape or dtype.")
            return plan.stepper(weights, state)

    def _plan(self, cell: Cell, weights: Weights, x: Tensor, state: State, reset: Tensor | None) -> Plan:
        """The plan for such a call; made, and held against the loop, when it is first needed."""
        plans = self._plans.setdefault(cell, {})
        key = _key(cell, weights, x, state, reset)
        if key not in plans:
            gradients = torch.is_grad_enabled()
            try:
                with torch.inference_mode(False), torch.set_grad_enabled(gradients):
                    step = _traced(cell, weights, x, state)
                    table = step.weights[-1] if TABLE in weights else None
                    plan = Plan(step, self._lower, self._pool, ids=x.ndim == 2, table=table)
                if plan.settled:
                    _check(plan, cell, weights, x, state, reset)
                plans[key] = plan
            except SplitError as error:
                plans[key] = type(error)(str(error))  # a traceback would keep all tensors on its way
            except SeqkitError:
                raise
            except Exception as error:  # a step that the engine was not made for; the loop can run it
                reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                plans[key] = SplitError(f"the step of {type(cell).__name__} cannot be split: {reason}")
        found = plans[key]
        if isinstance(found, SplitError):
            raise type(found)(str(found))
        return found


class Plan:
    """How to unroll one cell for one kind of input: shapes, dtypes, attributes, mode.

    Args:
        step: the traced step.
        lower: how the bodies of the loops are made.
        pool: where their memory comes from.
        ids, table: see `split_step`.
    """

    def __init__(
        self, step: StepGraph, lower: Lower, pool: Pool, *, ids: bool, table: fx.Node | None = None
    ) -> None:
        self.settled = all(
            value_of(before).shape == value_of(after).shape
            and value_of(before).dtype == value_of(after).dtype
            for before, after in zip(step.state, step.new_state, strict=True)
        )
        """Whether the state after a step is as the one before it; only then there is a split."""
        self._split = split_step(step, ids=ids, table=table) if self.settled else None
        self._lower, self._pool = lower, pool
        self._core: Core | None = None
        self._step: PythonBody | None = None

    def unroll(
        self, weights: Weights, cell: Cell, x: Tensor, state: State, reset: Tensor | None
    ) -> tuple[Tensor, State]:
        """Outputs `(batch, time, output_size)`, a transposed view, and the final state."""
        split = self._split
        assert split is not None  # it is settled
        time = x.shape[1]
        leaves, structure = pytree.tree_flatten(state)
        initial = None if reset is None else map_state(_like, state, cell.initial_state(len(x)))
        with torch.autocast(x.device.type, enabled=False):  # the casts are in the graph
            known: dict[fx.Node, Any] = dict(
                zip(split.constants.outputs, split.constants.run(*weights.values()), strict=True)
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

    def stepper(self, weights: Weights, state: State) -> Stepper:
        """One step at a time, with what reads the weights only computed now, once."""
        split = self._split
        assert split is not None  # it is settled
        constants = split.constants.run(*weights.values())
        if self._step is None:
            self._step = lower(split.step, len(constants), len(split.step.outputs))
        step = self._step.step(constants)
        leaves = pytree.tree_leaves(state)

        def advance(x: Tensor) -> Tensor:
            nonlocal leaves
            output: Tensor
            output, *leaves = step(x, *leaves)
            return output

        return advance

    def _core_for(self, inputs: list[Tensor], constants: list[Tensor], *, resets: bool) -> Core:
        """The loops; the gradients that are wanted, and whether there are resets, are in the key."""
        if self._core is None:
            assert self._split is not None
            wanted = [tensor.requires_grad for tensor in [*inputs, *constants]]
            loop = resettable(self._split.core) if resets else self._split.core
            self._core = Core(loop, wanted, self._lower, self._pool)
        return self._core


def _run_batched(
    stage: Stage, known: dict[fx.Node, Any], steps: dict[fx.Node, Tensor]
) -> list[tuple[Any, bool]]:
    """Run a stage for all steps, on values that are the same at every step and values of all steps."""
    given = [steps[node] if node in steps else known[node] for node in stage.inputs]
    return run_batched(stage.run, given, [node in steps for node in stage.inputs])


def _traced(cell: Cell, weights: Weights, x: Tensor, state: State) -> StepGraph:
    table = weights.get(TABLE)
    if table is not None:
        one_step = table.detach().new_zeros(len(x), table.shape[1])
    else:
        one_step = cell.zeros(len(x), cell.input_size) if x.ndim == 2 else x.detach()[:, 0]
    # The first state may have no gradient, and those after it have one.
    gradients = torch.is_grad_enabled()
    state = map_state(
        lambda leaf: leaf.detach().requires_grad_(gradients and leaf.is_floating_point()), state
    )
    one_step.requires_grad_(x.requires_grad if table is None else table.requires_grad)
    return trace_step(cell, weights, one_step, state)


def _check(plan: Plan, cell: Cell, weights: Weights, x: Tensor, state: State, reset: Tensor | None) -> None:
    ours = partial(plan.unroll, weights)
    difference = difference_from_loop(ours, cell, weights, x, state, reset, weights.get(TABLE))
    if difference is not None:
        raise SplitError(f"the step of {type(cell).__name__} cannot be split: {difference}.")


def _key(cell: Cell, weights: Weights, x: Tensor, state: State, reset: Tensor | None) -> Hashable:
    """All that a step may depend on besides the numbers in its tensors."""
    leaves, structure = pytree.tree_flatten(state)
    device = x.device.type
    autocast = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
    return (
        (*x.shape[:1], *x.shape[2:], x.dtype, x.device, x.requires_grad),
        (structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)),
        tuple((name, tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in weights.items()),
        (torch.is_grad_enabled(), autocast, torch.get_default_dtype()),
        (reset is not None, attributes_of(cell)),
    )


def _like(leaf: Tensor, start: Tensor) -> Tensor:
    """The initial leaf in the shape of the state's, and in its dtype, which under autocast may be another."""
    return start.to(leaf.dtype).expand(leaf.shape)


def _joined(outputs: list[Tensor]) -> Tensor:
    """Outputs of successive steps, in time-major memory."""
    return torch.cat([output.transpose(0, 1) for output in outputs]).transpose(0, 1)
