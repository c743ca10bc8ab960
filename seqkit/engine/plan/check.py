"""Comparing a plan with the loop: outputs, state and gradients of a few steps.

A plan is compared twice before it is used: with the actual values, and with perturbed weights, inputs and
state. A gate that starts at zero passes no gradient, and would hide an error behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seqkit.cells.base import State, map_state
from seqkit.engine.loop import embedded, one_hot, own_tree, unroll_loop
from seqkit.engine.plan.moving import jittered, moved_calls
from seqkit.engine.trace.call import Call
from seqkit.engine.trace.graphs import is_differentiable
from seqkit.engine.trace.standin import stand_in

if TYPE_CHECKING:
    from seqkit.engine.plan.plans import Plan

STEPS: Final = 3

_TOLERANCE: Final = {
    torch.float64: 1e-9,
    torch.float32: 5e-4,
    torch.bfloat16: 0.05,
    torch.float16: 0.02,
    torch.complex128: 1e-9,
    torch.complex64: 5e-4,
    torch.complex32: 0.02,
}
_ROUNDINGS: Final = 20
"""A difference may exceed the tolerance by up to this many times the change of the loop's own result when its
inputs are perturbed by one rounding error; and the tolerance grows by this factor at most."""

Refusal = tuple[str, str]
"""A reason, and its line."""
Unroll = Callable[[Call], tuple[Tensor, State]]
Named = dict[str, Tensor]


@dataclass(frozen=True)
class _Results:
    """Results of an unroll by name: values (`output`, `state[i]`) and gradients (of weights, `x`, ...)."""

    values: Named
    gradients: Named

    @property
    def is_a_number(self) -> bool:
        """Whether nothing is NaN."""
        return not any(bool(each.isnan().any()) for each in [*self.values.values(), *self.gradients.values()])


def difference_from_loop(plan: Plan, call: Call) -> Refusal | None:
    """Why a plan must not be used; None if its results are the loop's.

    Gradients are compared if they would be computed, for a loss that weighs every element differently.
    If the call has resets, every other row is reset here, at the second step.
    """
    call = first_steps(call)
    if call.reset is not None:
        call = replace(call, reset=every_other_row(call.x))
    if not _rows_are_apart(call):
        reason = "its rows depend on each other (to reduce within one row: `h.mean(1, keepdim=True)`)"
        return reason, _where_rows_meet(plan, call)
    return compared(plan, call) or _compared_moved(plan, call)


def first_steps(call: Call) -> Call:
    """The call on its first few steps, with its input detached."""
    return replace(call.steps(slice(STEPS)), x=call.x[:, :STEPS].detach())


def _compared_moved(plan: Plan, call: Call) -> Refusal | None:
    """Like `difference_from_loop`, with all values perturbed."""
    for make in moved_calls(call):
        try:
            moved = make()
            theirs = _results(unroll_loop, moved)
        except Exception:  # a perturbed value may be outside the domain of an operation
            continue
        if theirs.is_a_number:
            return compared(plan, moved, theirs)
    return None


def compared(plan: Plan, call: Call, theirs: _Results | None = None) -> Refusal | None:
    """How the plan differs from the loop on the values of this call, and the line."""
    theirs = _results(unroll_loop, call) if theirs is None else theirs
    ours = _results(plan.unroll, call)
    results = [*theirs.values.values(), *theirs.gradients.values()]
    tolerance = _tolerance(call.x.device, {each.dtype for each in results} | plan.dtypes)
    if not {
        **_far(ours.values, theirs.values, tolerance),
        **_far(ours.gradients, theirs.gradients, tolerance),
    }:
        return None
    near = _results(unroll_loop, jittered(call))
    values = _far(ours.values, theirs.values, tolerance, near.values)
    gradients = _far(ours.gradients, theirs.gradients, tolerance, near.gradients)
    if not values and not gradients:
        return None
    if values:
        return _refusal(plan, "its ", next(iter(values)), values)
    return _refusal(plan, "the gradient of ", max(gradients, key=gradients.__getitem__), gradients)


def _refusal(plan: Plan, what: str, name: str, far: dict[str, float]) -> Refusal:
    """The refusal for a tensor that differs from the loop's: by how much, at which operation, its line."""
    operation, place = plan.place_of(name)
    by = " (it is NaN)" if far[name] == float("inf") else f" by {far[name]:.2g} of its largest number"
    at = f", at {operation}" if operation else ""
    return f"{what}{name.replace('::', '.')} differs from the loop's{by}{at}", place


def _results(unroll: Unroll, call: Call) -> _Results:
    """Outputs, final state and gradients."""
    # Inputs are detached, so that the caller's graph is left for the real backward pass.
    x, state = call.x, call.state
    differentiable = torch.is_grad_enabled()
    if differentiable and x.is_floating_point():
        x = x.detach().clone().requires_grad_()
    if differentiable:
        state = map_state(lambda leaf: leaf.detach().clone().requires_grad_(is_differentiable(leaf)), state)
    outputs, final = unroll(replace(call, x=x, state=state))
    leaves = {f"state[{index}]": leaf for index, leaf in enumerate(pytree.tree_leaves(final))}
    values = {"output": outputs, **leaves}
    ends = [end for end in values.values() if differentiable and end.requires_grad]
    gradients: Named = {}
    if ends:
        starts = {**call.weights, "x": x}
        starts |= {f"state[{index}]": leaf for index, leaf in enumerate(pytree.tree_leaves(state))}
        starts |= {} if call.table is None else {"the table": call.table}
        wanted = {name: start for name, start in starts.items() if start.requires_grad}
        found = torch.autograd.grad(
            ends,
            [*wanted.values()],
            [_weights_like(end) for end in ends],
            allow_unused=True,
            materialize_grads=True,
        )
        gradients = dict(zip(wanted, found, strict=True))
    return _Results({name: value.detach() for name, value in values.items()}, gradients)


def _weights_like(end: Tensor) -> Tensor:
    """A gradient for a result that differs at every position, without random numbers."""
    places = torch.arange(end.numel(), device=end.device, dtype=torch.float64)
    weights = 1 + torch.cos(places)
    return (
        (torch.complex(weights, torch.sin(places)) if end.is_complex() else weights)
        .to(end.dtype)
        .view(end.shape)
    )


def every_other_row(x: Tensor) -> Tensor:
    """A reset mask in which every other row is reset at the second step."""
    chosen = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
    chosen[::2, 1:2] = True
    return chosen


def _one_step(call: Call, rows: slice) -> list[Tensor]:
    """The results of the first step for some of the rows alone."""
    x = call.x if call.table is None else embedded(call.x, call.table)
    first = x[:, 0] if x.ndim == 3 else one_hot(call.acting, x[:, 0])
    result = call.acting.step(first[rows], map_state(lambda leaf: leaf[rows], call.state))
    return list(pytree.tree_leaves(result))


def run_a_step(call: Call) -> None:
    """Run the first step of a stand-in on the actual values."""
    with torch.no_grad():
        _one_step(replace(call, acting=stand_in(call.cell, call.weights, strict=True)), slice(None))


def _rows_are_apart(call: Call) -> bool:
    """Whether a step returns the same first row for the whole batch as for that row alone."""
    if call.batch_size == 1:
        return True
    with torch.no_grad():
        together, alone = _one_step(call, slice(None)), _one_step(call, slice(1))
    pairs = {
        str(index): (rows[:1], row) for index, (rows, row) in enumerate(zip(together, alone, strict=True))
    }
    tolerance = _tolerance(call.x.device, {each.dtype for each in alone})
    ours, theirs = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
    return not _far(ours, theirs, tolerance)


def _where_rows_meet(plan: Plan, call: Call) -> str:
    """The line of the first operation whose first row depends on the others."""
    others = torch.arange(call.batch_size, device=call.x.device) > 0

    def moved(leaf: Tensor) -> Tensor:
        rows = others.view(-1, *[1] * (leaf.ndim - 1))
        return torch.where(rows, leaf.roll(1, 0) if leaf.dtype == torch.int64 else leaf + 1, leaf)

    with torch.no_grad():
        before = plan.step_values(call)
        after = plan.step_values(replace(call, x=moved(call.x), state=map_state(moved, own_tree(call.state))))
    for place, value in before.items():
        if (
            value.ndim
            and len(value) == call.batch_size
            and _far({"": after[place][:1]}, {"": value[:1]}, 1e-4)
        ):
            return place.partition("|")[2]
    return ""


def _tolerance(device: torch.device, dtypes: set[torch.dtype]) -> float:
    """The tolerance of the least precise dtype: a result is not more exact than its inputs."""
    if torch.is_autocast_enabled(device.type):
        dtypes = {*dtypes, torch.get_autocast_dtype(device.type)}
    return max(_TOLERANCE.get(dtype, 0.0) for dtype in dtypes)


def _far(
    ours: Named, theirs: Named, tolerance: float, near: Mapping[str, Tensor] | None = None
) -> dict[str, float]:
    """Which tensors differ by more than rounding, and by what share of their largest number.

    A tensor that is small compared with the others is mostly rounding error, and is compared less closely. So
    is a tensor that changes much if the loop's own inputs are perturbed by one rounding error (`near`).
    """
    largest = max((_largest(each) for each in theirs.values() if is_differentiable(each)), default=0.0)
    far = {}
    for name, theirs_one in theirs.items():
        one, other = ours[name], theirs_one
        if one.shape != other.shape or one.dtype != other.dtype:
            far[name] = 1.0
        elif not is_differentiable(other):
            is_certain = near is None or torch.equal(near[name], other)  # no rounding error changes it
            if is_certain and not torch.equal(one, other):
                far[name] = 1.0
        else:
            scale = _largest(other)
            bound = tolerance * (scale + 1e-2 * largest)
            if near is not None:
                bound = min(bound + _ROUNDINGS * _largest(near[name] - other), _ROUNDINGS * bound)
            share = _share(one, other, bound, scale)
            if share:
                far[name] = share
    return far


def _share(one: Tensor, other: Tensor, bound: float, scale: float) -> float:
    """By what share of its largest number a tensor differs; infinite if it is NaN, 0 if within the bound."""
    if torch.allclose(one, other, rtol=0, atol=bound, equal_nan=True):
        return 0.0
    if bool((one.isnan() & ~other.isnan()).any()):
        return float("inf")
    return _largest(one - other) / (scale or 1.0) or 1.0


def _largest(tensor: Tensor) -> float:
    """The largest absolute value among its finite numbers."""
    sizes = tensor.detach().abs()
    return float(torch.where(sizes.isfinite(), sizes, 0).max()) if sizes.numel() else 0.0
