"""Inputs, states and comparisons that the checks of a cell share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seqkit.cells import Cell, State
from seqkit.cells.base import map_state
from seqkit.engine import unroll
from seqkit.testing.cases import CellCase
from seqkit.testing.kit import require

BATCH, TIME = 3, 7


def everything(case: CellCase, engine: str, reset: Tensor) -> dict[str, Any]:
    """Outputs, final state, and the gradients of input, initial state and parameters."""
    cell = case.make()
    x = sequence(case).requires_grad_()
    state = random_state(cell)
    starts = [leaf.requires_grad_() for leaf in leaves_of(state) if leaf.is_floating_point()]
    if engine == "scan":
        scan: Any = cell.scan  # the check applies where the cell has one
        outputs, final = scan(x, state, reset)
    else:
        outputs, final = unroll(cell, x, state, reset=reset, engine=engine)
    ends = [outputs, *(leaf for leaf in leaves_of(final) if leaf.is_floating_point())]
    weights = [torch.cos(torch.arange(end.numel(), dtype=end.dtype)).view(end.shape) for end in ends]
    loss = sum((end * weight).sum() for end, weight in zip(ends, weights, strict=True))
    wanted = [x, *starts, *(p for p in cell.parameters() if p.requires_grad)]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    known = [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, gradients, strict=True)]
    return {"outputs": outputs.detach(), "state": map_state(Tensor.detach, final), "gradients": known}


def one_input(case: CellCase, batch: int = BATCH, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, case.input_size, dtype=torch.float64, generator=generator)


def sequence(case: CellCase, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, TIME, case.input_size, dtype=torch.float64, generator=generator)


def random_state(cell: Cell) -> State:
    """A state that a run could be in: the one after a few steps over noise."""
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
        require(ours.shape == theirs.shape, f"{message}: {tuple(ours.shape)} against {tuple(theirs.shape)}")
        if not ours.is_floating_point():
            require(torch.equal(ours, theirs), message)
            continue
        difference = float((ours - theirs).detach().abs().max()) if ours.numel() else 0.0
        require(difference <= tolerance, f"{message}: by {difference:.3g}")
