"""The cache of plans: for each cell and kind of call a plan, or the reason why there is none.

    call ──► kind of call ──► known? ──► the plan, or the refusal
                                └ no ──► a stand-in is traced and split ──► compared with the loop ──► kept

A kind is everything that a step may depend on except the values of its tensors: shapes, dtypes, devices,
modes, and what can be reached from the cell. One thread traces at a time, because PyTorch's tracer patches
its modules; other threads continue with existing plans.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seqkit.cells.base import Cell, State
from seqkit.engine.plan.check import difference_from_loop, run_a_step
from seqkit.engine.trace.attributes import Attributes, attributes_of, changed
from seqkit.engine.trace.call import Call
from seqkit.engine.trace.functional import TRACING
from seqkit.engine.trace.lines import step_line
from seqkit.engine.trace.refusal import RefusedError, refusal
from seqkit.errors import SeqkitError, SplitError

MOST_SETTINGS: Final = 8
"""Number of plans that may differ in attributes alone, at most: each takes a trace, and is kept."""

_MOST_PLANS: Final = 64


class Plan(Protocol):
    """A way to unroll one cell for one kind of call."""

    settled: bool
    """Whether the state has the same shapes and dtypes before and after a step; only then it can unroll."""
    resets: bool
    """Whether it is for calls in which rows are reset."""
    dtypes: set[torch.dtype]
    """The dtypes of its intermediate values, as far as they are known."""

    def unroll(self, call: Call) -> tuple[Tensor, State]:
        """Outputs `(batch, time, output_size)`, a transposed view, and the final state."""

    def place_of(self, name: str) -> tuple[str, str]:
        """The operation that reads a weight, `x` or a state, or computes the output or a state; its line."""

    def step_values(self, call: Call) -> dict[str, Tensor]:
        """The result of each operation of the first step, by its name and its line."""


@dataclass
class _Known:
    """The cache of one cell: plans by kind and attributes, and the plan last used with gradients."""

    plans: dict[tuple[Hashable, Hashable], Plan | SplitError] = field(default_factory=dict)
    settings: dict[Hashable, list[Attributes]] = field(default_factory=dict)
    failures: dict[Hashable, str] = field(default_factory=dict)
    last: Plan | None = None


class Plans:
    """The plans of all cells, each made at first use. The plans of a cell are freed with the cell.

    Args:
        make: makes the plan for a kind of call.
    """

    def __init__(self, make: Callable[[Call], Plan]) -> None:
        self._make = make
        self._cells: weakref.WeakKeyDictionary[Cell, _Known] = weakref.WeakKeyDictionary()

    def find(self, call: Call) -> Plan:
        """The plan for such a call; it is made, and compared with the loop, at first use.

        Raises:
            SplitError: there is no plan for it.
        """
        try:
            _refuse_global_hooks()
            attributes = attributes_of(call.cell)
            kind = kind_of(call)
        except RefusedError as error:
            raise refusal(call.cell, error.reason) from None
        key = (kind, tuple(attributes.items()))
        known = self._known(call.cell)
        try:
            found = known.plans.get(key)
        except TypeError as error:  # a third-party class has __eq__ and no __hash__
            raise refusal(call.cell, f"an object that it holds cannot be compared ({error})") from None
        if found is None:
            with TRACING:
                found = known.plans.get(key)
                if found is None:
                    found = self._made(call, known, kind, attributes)
                    known.plans[key] = found
        if isinstance(found, SplitError):
            raise type(found)(str(found))
        if torch.is_grad_enabled():
            known.last = found
        return found

    def last(self, cell: Cell) -> Plan | None:
        """The plan that last unrolled the cell with gradients."""
        return self._known(cell).last

    def _known(self, cell: Cell) -> _Known:
        known = self._cells.get(cell)
        if known is None:
            with TRACING:
                known = self._cells.setdefault(cell, _Known())
        return known

    def _made(self, call: Call, known: _Known, kind: Hashable, attributes: Attributes) -> Plan | SplitError:
        """A plan, or a refusal that would be the same at a second try; errors that may pass are raised."""
        settings = known.settings.setdefault(kind, [])
        if len(settings) >= MOST_SETTINGS and attributes not in settings:
            names = ", ".join(sorted({name for before in settings for name in changed(before, attributes)}))
            raise refusal(
                call.cell,
                f"it was split for {MOST_SETTINGS} values of {names} already, and each new one needs a trace "
                "(keep a number that changes while training in a buffer)",
            )
        while len(known.plans) >= _MOST_PLANS:
            known.plans.pop(next(iter(known.plans)))
        if attributes not in settings:
            settings.append(attributes)
        try:
            return self._checked(call)
        except (SeqkitError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # a step that the engine does not support; the loop can run it
            said = str(error).splitlines()[0] if str(error) else ""
            refused = refusal(call.cell, f"{type(error).__name__}: {said}", step_line(error, deepest=False))
            if known.failures.get(kind) == str(refused):
                return refused
            known.failures[kind] = str(refused)  # kept when the same error occurs again
            raise refused from error

    def _checked(self, call: Call) -> Plan | SplitError:
        gradients, device = torch.is_grad_enabled(), call.x.device
        try:
            with (
                torch.autograd.set_detect_anomaly(False),
                torch.random.fork_rng([device] if device.type == "cuda" else []),
            ):
                run_a_step(call)  # so that a cache of the step's own holds values, not fake tensors
                with torch.inference_mode(False), torch.set_grad_enabled(gradients):
                    plan = self._make(call)
                difference = difference_from_loop(plan, call) if plan.settled else None
            if difference is not None:
                raise RefusedError(*difference)
        except SplitError as error:
            return type(error)(str(error))  # a traceback would keep tensors alive
        except RefusedError as error:
            return refusal(call.cell, error.reason, error.place)
        return plan


def _refuse_global_hooks() -> None:
    """Raise RefusedError for hooks on all modules of the process: they run on the engine's own as well."""
    from torch.nn.modules import module

    hooks = module._global_forward_hooks, module._global_forward_pre_hooks
    if any((*hooks, module._global_backward_hooks, module._global_backward_pre_hooks)):
        raise RefusedError("a hook is registered for all modules (torch.nn.modules.module)")


def kind_of(call: Call) -> Hashable:
    """Everything that a step may depend on except the values of its tensors and what its cell holds."""
    x, (leaves, structure) = call.x, pytree.tree_flatten(call.state)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RefusedError(f"its state holds a {type(leaf).__name__}, which is not a tensor")
    tensors = dict(call.weights) if call.table is None else {**call.weights, "": call.table}
    device = x.device.type
    autocast = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
    return (
        (*x.shape[:1], *x.shape[2:], x.dtype, x.device, x.requires_grad, call.table is None),
        (structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)),
        tuple((name, tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in tensors.items()),
        (torch.is_grad_enabled(), autocast, torch.get_default_dtype()),
        call.reset is not None,
    )
