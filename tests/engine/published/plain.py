"""A plain loop over `step`, independent of the engines, with which an engine is compared.

It passes each step a fresh copy of the state's tree, so that a step may modify it without effect elsewhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.utils import parametrize
from torch.utils import _pytree as pytree

from seqkit import Cell

BATCH: Final = 4
TIME: Final = 7
IDS_IN_TABLE: Final = 9

Unroll = Callable[..., tuple[Tensor, Any]]


@dataclass(frozen=True)
class Given:
    """The input of an unroll."""

    x: Tensor
    state: Any = None
    reset: Tensor | None = None
    table: Tensor | None = None


def plain_unroll(
    cell: Cell, x: Tensor, state: Any = None, *, reset: Tensor | None = None, table: Tensor | None = None
) -> tuple[Tensor, Any]:
    """Outputs `(batch, time, output_size)` and the final state; a parametrised weight is computed once."""
    outputs = []
    with _computed_once(cell):
        if state is None:
            state = cell.initial_state(len(x))
        for t in range(x.shape[1]):
            if reset is not None:
                state = _reset(reset[:, t], cell.initial_state(len(x)), state)
            output, state = cell.step(_read(cell, x[:, t], table), _fresh(state))
            outputs.append(output)
    return torch.stack(outputs, 1), _fresh(state)


@contextmanager
def _computed_once(cell: Cell) -> Iterator[None]:
    """Inside, a parametrised weight keeps its current value, and its current random draw.

    Not `parametrize.cached`: it takes a deep copy of a module for the module itself.
    """
    functions = [
        function
        for module in cell.modules()
        if parametrize.is_parametrized(module)
        for function in module.parametrizations.values()
    ]
    for function, value in [(function, function()) for function in functions]:
        function.forward = partial(lambda value: value, value)
    try:
        yield
    finally:
        for function in functions:
            del function.forward


def _read(cell: Cell, x: Tensor, table: Tensor | None) -> Tensor:
    if table is not None:
        return table[x]
    return x if x.is_floating_point() else torch.eye(cell.input_size, dtype=torch.float64)[x]


def _reset(rows: Tensor, initial: Any, state: Any) -> Any:
    def choose(start: Tensor, value: Tensor) -> Tensor:
        return torch.where(rows.view(-1, *[1] * (value.ndim - 1)), start, value)

    return pytree.tree_map(choose, initial, state)


def _fresh(state: Any) -> Any:
    return pytree.tree_map(lambda leaf: leaf, state)


def given_numbers(cell: Cell, seed: int = 0) -> Given:
    """Numbers, and the initial state; both require a gradient."""
    x = torch.randn(BATCH, TIME, cell.input_size, dtype=torch.float64, generator=_seeded(seed))
    return Given(x.requires_grad_(), _leaves_of_their_own(cell.initial_state(BATCH)))


def given_resets(cell: Cell, seed: int = 1) -> Given:
    """Numbers, a state after some steps, and resets of rows."""
    given = given_numbers(cell, seed)
    return Given(given.x, _led_to(cell, seed), _some(seed))


def given_ids(cell: Cell, seed: int = 2) -> Given:
    """Ids, and the cell's own initial state."""
    return Given(torch.randint(cell.input_size, (BATCH, TIME), generator=_seeded(seed)))


def given_table(cell: Cell, seed: int = 3) -> Given:
    """Ids that index rows of a table, a state after some steps, and resets of rows."""
    ids = torch.randint(IDS_IN_TABLE, (BATCH, TIME), generator=_seeded(seed))
    table = torch.randn(IDS_IN_TABLE, cell.input_size, dtype=torch.float64, generator=_seeded(seed))
    return Given(ids, _led_to(cell, seed), _some(seed), table.requires_grad_())


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _some(seed: int) -> Tensor:
    reset = torch.rand(BATCH, TIME, generator=_seeded(seed)) < 0.2
    reset[0, 2] = True  # one at least, not at the first step
    return reset


def _led_to(cell: Cell, seed: int) -> Any:
    """The state after some steps: its counters have counted, and its memories hold something."""
    x = torch.randn(BATCH, 3, cell.input_size, dtype=torch.float64, generator=_seeded(seed + 100))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        return _leaves_of_their_own(plain_unroll(cell, x)[1])


def _leaves_of_their_own(state: Any) -> Any:
    """Each leaf in memory of its own, with a gradient if it can have one."""

    def leaf(value: Tensor) -> Tensor:
        differentiable = value.is_floating_point() or value.is_complex()
        return value.detach().clone().requires_grad_(differentiable)

    return pytree.tree_map(leaf, state)


@dataclass(frozen=True)
class Found:
    """Results and gradients by name, and the structure of the state."""

    results: dict[str, Tensor]
    gradients: dict[str, Tensor]
    structure: Any


def found_by(unroll: Unroll, cell: Cell, given: Given, **options: Any) -> Found:
    """Outputs, final state and all gradients, of a loss that weighs every number differently.

    Random numbers that a weight draws are the same at each call.
    """
    first = _leaves(given.state)
    before = [leaf.detach().clone() for leaf in first]
    torch.manual_seed(0)
    outputs, state = unroll(cell, given.x, given.state, reset=given.reset, table=given.table, **options)
    leaves, structure = pytree.tree_flatten(state)
    results = {"outputs": outputs, **{f"state {index}": leaf for index, leaf in enumerate(leaves)}}
    starts = {"x": given.x, "table": given.table}
    starts |= {f"initial state {index}": leaf for index, leaf in enumerate(first)}
    starts |= dict(cell.named_parameters())
    wanted = {name: start for name, start in starts.items() if start is not None and start.requires_grad}
    gradients = torch.autograd.grad(
        _loss(list(results.values())), [*wanted.values()], allow_unused=True, materialize_grads=True
    )
    same = all(map(torch.equal, first, before)) and all(map(operator.is_, first, _leaves(given.state)))
    assert same, "the caller's state was written to"
    return Found(
        {name: result.detach() for name, result in results.items()},
        dict(zip(wanted, gradients, strict=True)),
        structure,
    )


def _leaves(state: Any) -> list[Tensor]:
    return [] if state is None else pytree.tree_leaves(state)


def _loss(results: list[Tensor]) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for result in results:
        if result.requires_grad:
            real = torch.view_as_real(result) if result.is_complex() else result
            places = torch.arange(real.numel(), dtype=torch.float64).view(real.shape)
            total = total + (real * torch.cos(places + 0.5)).sum()
    return total


def require_same(ours: Found, expected: Found, tolerance: float = 1e-9) -> None:
    """Every result and gradient equal, each relative to its own largest number.

    A number that is zero except for rounding has no digits to compare: a gradient below 1e-5 of the largest
    one is compared relative to that.
    """
    assert ours.structure == expected.structure
    _require_close(ours.results, expected.results, tolerance)
    _require_close(ours.gradients, expected.gradients, tolerance)


def _require_close(ours: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert list(ours) == list(expected)
    largest = max((float(each.abs().max()) for each in expected.values()), default=0.0)
    wrong = []
    for name, right in expected.items():
        one = ours[name]
        assert (one.shape, one.dtype) == (right.shape, right.dtype), name
        assert torch.isfinite(right).all(), f"the plain loop itself gives no number for {name}"
        difference = float((one - right).abs().max())
        scale = max(float(right.abs().max()), 1e-5 * largest)
        if not difference <= tolerance * scale:
            wrong.append(f"{name} by {difference / scale:.1e} of its size")
    assert not wrong, "differs from the plain loop: " + ", ".join(wrong)
