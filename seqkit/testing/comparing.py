"""Inputs, states and comparisons that the checks of a cell share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seqkit.cells import Cell, State
from seqkit.cells.base import map_state
from seqkit.engine import unroll
from seqkit.engine.trace.graphs import is_differentiable
from seqkit.engine.trace.objects import attribute_items
from seqkit.testing.cases import CellCase
from seqkit.testing.kit import require

BATCH, TIME = 3, 7


def everything(
    case: CellCase, engine: str, reset: Tensor, cell: Cell | None = None, recompute_every: int | None = None
) -> dict[str, Any]:
    """Outputs, final state, and the gradients of input, initial state and parameters."""
    cell = case.make() if cell is None else cell
    x = sequence(case).requires_grad_()
    state = random_state(cell)
    starts = [leaf.requires_grad_() for leaf in leaves_of(state) if is_differentiable(leaf)]
    if engine == "scan":
        scan: Any = cell.scan  # the check applies only if the cell has one
        outputs, final = scan(x, state, reset)
    else:
        outputs, final = unroll(cell, x, state, reset=reset, engine=engine, recompute_every=recompute_every)
    ends = [outputs, *(leaf for leaf in leaves_of(final) if is_differentiable(leaf))]
    loss = sum((end * _weights_like(end)).sum().abs() for end in ends)
    wanted = [x, *starts, *(p for p in cell.parameters() if p.requires_grad)]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    known = [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, gradients, strict=True)]
    return {"outputs": outputs.detach(), "state": map_state(Tensor.detach, final), "gradients": known}


def _weights_like(end: Tensor) -> Tensor:
    return torch.cos(torch.arange(end.numel(), dtype=torch.float64)).to(end.dtype).view(end.shape)


def moved(cell: Cell) -> Cell:
    """The cell with noise added to every parameter, in place, so that a gate that starts at zero is open."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in cell.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.2 * noise.to(parameter.dtype))
    return cell


def settings_of(cell: Cell) -> list[tuple[Any, str, float]]:
    """Float attributes of the cell, of its modules and of the objects that these hold."""
    found: list[tuple[Any, str, float]] = []
    waiting: list[Any] = list(cell.modules())
    seen: set[int] = set()
    while waiting:
        owner = waiting.pop()
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        for name, value in attribute_items(owner):
            if type(value) is float:
                found.append((owner, name, value))
            elif type(value).__module__.partition(".")[0] not in ("torch", "builtins", "collections"):
                waiting.append(value)
    return found


def one_input(case: CellCase, batch: int = BATCH, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, case.input_size, dtype=torch.float64, generator=generator)


def sequence(case: CellCase, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, TIME, case.input_size, dtype=torch.float64, generator=generator)


def random_state(cell: Cell) -> State:
    """A state that can occur in a run: the one after a few steps over noise."""
    generator = torch.Generator().manual_seed(5)
    state = cell.initial_state(BATCH)
    with torch.no_grad():
        for _ in range(2):
            noise = torch.randn(BATCH, cell.input_size, dtype=torch.float64, generator=generator)
            _, state = cell.step(noise, state)
    return map_state(lambda leaf: leaf.detach().clone(), state)


def leaves_of(state: State) -> list[Tensor]:
    return list(pytree.tree_leaves(state))


def structure_of(state: State) -> str:
    leaves, spec = pytree.tree_flatten(state)
    shapes = [(tuple(leaf.shape), str(leaf.dtype)) for leaf in leaves]
    return f"{spec} with {shapes}"


def require_equal(found: Any, expected: Any, message: str, tolerance: float = 0.0) -> None:
    pairs = list(zip(leaves_of(found), leaves_of(expected), strict=True))
    for ours, theirs in pairs:
        require(
            ours.shape == theirs.shape,
            f"{message}\n  The shapes are {tuple(ours.shape)} and {tuple(theirs.shape)}.",
        )
        if not is_differentiable(ours):
            require(torch.equal(ours, theirs), message)
            continue
        same = (ours == theirs) | (ours.isnan() & theirs.isnan())  # infinity minus itself is NaN
        differences = torch.where(same, 0, (ours - theirs).detach()).abs()
        difference = float(differences.max()) if ours.numel() else 0.0
        require(difference <= tolerance, f"{message}\n  The largest difference is {difference:.3g}.")
