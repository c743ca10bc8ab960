"""What was found out about a cell: for each kind of call a plan, or why there is none.

    call ──► kind of call ──► known? ──► the plan, or the refusal
                                └ no ──► a stand-in is traced and split ──► compared with the loop ──► kept

A kind is all that a step may depend on besides the numbers in its tensors: shapes, dtypes, devices, modes,
and what can be reached from the cell. One thread traces at a time, for PyTorch's tracer patches its modules;
the others go on with plans that are there.
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
"""So many plans may differ in attributes alone: each costs a trace, and is kept."""

_MOST_PLANS: Final = 64


class Plan(Protocol):
    """A way to unroll one cell for one kind of call."""

    settled: bool
    """Whether the state after a step is as the one before it; only then it can unroll."""
    resets: bool
    """Whether it is for calls in which rows start again."""
    dtypes: set[torch.dtype]
    """Of the numbers that it computes with on the way, as far as these are known."""

    def unroll(self, call: Call) -> tuple[Tensor, State]:
        """Outputs `(batch, time, output_size)`, a transposed view, and the final state."""

    def place_of(self, name: str) -> tuple[str, str]:
        """The operation where a weight, `x`, the output or a state enters or leaves, and its line."""

    def step_values(self, call: Call) -> dict[str, Tensor]:
        """What each operation of the first step gives, by its name and its line."""


@dataclass
class _Known:
    """Of one cell: plans by kind and attributes, and the plan that was used last with gradients."""

    plans: dict[tuple[Hashable, Hashable], Plan | SplitError] = field(default_factory=dict)
    settings: dict[Hashable, list[Attributes]] = field(default_factory=dict)
    failures: dict[Hashable, str] = field(default_factory=dict)
    last: Plan | None = None


class Plans:
    """Plans of all cells, each made when it is first needed. What was found for a cell goes when it goes.

    Args:
        make: the plan for a kind of call.
    """

    def __init__(self, make: Callable[[Call], Plan]) -> None:
        self._make = make
        self._cells: weakref.WeakKeyDictionary[Cell, _Known] = weakref.WeakKeyDictionary()

    def find(self, call: Call) -> Plan:
        """The plan for such a call; made, and compared with the loop, when it is first needed.

        Raises:
            SplitError: there is none.
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
        except TypeError as error:  # a stranger's class compares, and has no hash
            raise refusal(call.cell, f"what it holds cannot be compared ({error})") from None
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
        """The plan by which the cell was unrolled last with gradients."""
        return self._known(cell).last

    def _known(self, cell: Cell) -> _Known:
        known = self._cells.get(cell)
        if known is None:
            with TRACING:
                known = self._cells.setdefault(cell, _Known())
        return known

    def _made(self, call: Call, known: _Known, kind: Hashable, attributes: Attributes) -> Plan | SplitError:
        """A plan, or a refusal that would be the same another time; what may pass is raised."""
        settings = known.settings.setdefault(kind, [])
        if len(settings) >= MOST_SETTINGS and attributes not in settings:
            names = ", ".join(sorted({name for before in settings for name in changed(before, attributes)}))
            raise refusal(
                call.cell,
                f"it was split for {MOST_SETTINGS} values of {names} already, each of which costs a trace "
                "(a number that changes while training belongs in a buffer)",
            )
        while len(known.plans) >= _MOST_PLANS:
            known.plans.pop(next(iter(known.plans)))
        if attributes not in settings:
            settings.append(attributes)
        try:
            return self._checked(call)
        except (SeqkitError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # a step that the engine was not made for; the loop can run it
            said = str(error).splitlines()[0] if str(error) else ""
            refused = refusal(call.cell, f"{type(error).__name__}: {said}", step_line(error, deepest=False))
            if known.failures.get(kind) == str(refused):
                return refused
            known.failures[kind] = str(refused)  # the same a second time, and it is kept
            raise refused from error

    def _checked(self, call: Call) -> Plan | SplitError:
        gradients, device = torch.is_grad_enabled(), call.x.device
        try:
            with (
                torch.autograd.set_detect_anomaly(False),
                torch.random.fork_rng([device] if device.type == "cuda" else []),
            ):
                run_a_step(call)  # what the step keeps in a cache of its own has numbers then
                with torch.inference_mode(False), torch.set_grad_enabled(gradients):
                    plan = self._make(call)
                difference = difference_from_loop(plan, call) if plan.settled else None
            if difference is not None:
                raise RefusedError(*difference)
        except SplitError as error:
            return type(error)(str(error))  # a traceback would keep all tensors on its way
        except RefusedError as error:
            return refusal(call.cell, error.reason, error.place)
        return plan


def _refuse_global_hooks() -> None:
    """Raise RefusedError for hooks on all modules of the process: they see the engine's own as well."""
    from torch.nn.modules import module

    hooks = module._global_forward_hooks, module._global_forward_pre_hooks
    if any((*hooks, module._global_backward_hooks, module._global_backward_pre_hooks)):
        raise RefusedError("a hook is registered for all modules (torch.nn.modules.module)")


def kind_of(call: Call) -> Hashable:
    """All that a step may depend on besides the numbers in its tensors and what its cell holds."""
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
