"""A step that modifies the tree of its state: a loop that passes it fresh copies gives the right numbers.

The caller's state stays as it was (`found_by` looks at that), at the first call and at later ones.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from seqkit import Cell
from seqkit.engine import make_stepper
from seqkit.errors import SplitError
from tests.engine.published.catalogue import HIDDEN_SIZE, INPUT_SIZE, double_precision, moved
from tests.engine.published.plain import given_resets, plain_unroll
from tests.engine.published.situations import quick, require_plain_numbers
from tests.engine.published.written import WRITTEN


def made(name: str) -> Cell:
    with double_precision():
        return WRITTEN[name](INPUT_SIZE, HIDDEN_SIZE)  # type: ignore[call-arg]  # cells name their sizes differently


@pytest.mark.parametrize("engine", ["loop", "auto"])
@pytest.mark.parametrize("situation", quick("resets"))
@pytest.mark.parametrize("name", WRITTEN)
def test_the_loop_and_auto_give_the_numbers_of_fresh_copies(name: str, situation: str, engine: str) -> None:
    cell = made(name)
    for _ in range(2):  # the second call uses the plan of the first
        require_plain_numbers(cell, situation, engine)
    with moved(cell, 0.2):
        require_plain_numbers(cell, situation, engine)


@pytest.mark.parametrize("situation", quick("resets"))
@pytest.mark.parametrize("name", WRITTEN)
def test_the_fused_engine_gives_them_too_or_names_the_line(name: str, situation: str) -> None:
    """Either is correct; different numbers are not."""
    cell = made(name)
    try:
        for _ in range(2):
            assert require_plain_numbers(cell, situation, "fused") == "fused"
    except SplitError:  # and the same at a second call
        with pytest.raises(SplitError, match=r"written.py, line \d+: (state|kept)\["):
            require_plain_numbers(cell, situation, "fused")


@pytest.mark.parametrize("name", WRITTEN)
def test_generation_leaves_the_callers_state_as_it_is(name: str) -> None:
    cell = made(name).eval()
    given = given_resets(cell)
    state = pytree.tree_map(torch.detach, given.state)
    before, structure = pytree.tree_flatten(state)
    copies = [leaf.clone() for leaf in before]
    with torch.no_grad():
        expected, _ = plain_unroll(cell, given.x, state)
        for _ in range(2):
            advance = make_stepper(cell, given.x[:, 0], state)
            found = torch.stack([advance(x_t) for x_t in given.x.unbind(1)], 1)
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
            after, same = pytree.tree_flatten(state)
            assert same == structure
            assert _are(after, before)
            assert all(map(torch.equal, after, copies))


def _are(ones: list[Any], others: list[Any]) -> bool:
    return len(ones) == len(others) and all(one is other for one, other in zip(ones, others, strict=True))
