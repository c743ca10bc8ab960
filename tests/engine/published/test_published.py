"""Cells from papers: every engine gives the numbers of a plain loop, also when the weights have moved on.

All of them can be split: a refusal of the fused engine fails the test.
"""

from __future__ import annotations

import copy
import logging
from functools import cache
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from seqkit import Cell
from seqkit.cells import Stacked
from seqkit.engine import make_stepper, unroll_named
from seqkit.engine.plan import fused
from tests.engine.published import attention, gated, linear, xlstm
from tests.engine.published.catalogue import CELLS, INPUT_SIZE, cell_of, double_precision, moved
from tests.engine.published.plain import (
    BATCH,
    found_by,
    given_ids,
    given_resets,
    plain_unroll,
)
from tests.engine.published.situations import quick, require_plain_numbers

CI = pytest.mark.ci
QUICK = [name if place % 5 == 0 else pytest.param(name, marks=CI) for place, name in enumerate(CELLS)]
"""All cells; a fifth of them is for the quick tests."""


@pytest.mark.parametrize("engine", [pytest.param("loop", marks=CI), "fused", pytest.param("auto", marks=CI)])
@pytest.mark.parametrize("situation", quick("table"))
@pytest.mark.parametrize("name", QUICK)
def test_an_engine_gives_the_numbers_of_a_plain_loop(name: str, situation: str, engine: str) -> None:
    ran = require_plain_numbers(cell_of(name), situation, engine)
    assert ran == ("loop" if engine == "loop" else "fused")


@pytest.mark.parametrize(("engine", "scale"), [("fused", 0.2), pytest.param("auto", 0.7, marks=CI)])
@pytest.mark.parametrize("situation", quick("resets"))
@pytest.mark.parametrize("name", QUICK)
def test_what_was_accepted_is_right_when_every_parameter_has_moved(
    name: str, situation: str, engine: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gates that start at zero are open then, and what is behind them has gradients."""
    cell = cell_of(name)
    _accept(name, situation, engine)
    monkeypatch.setattr(fused, "trace_step", _no_trace)
    with moved(cell, scale):
        assert require_plain_numbers(cell, situation, engine) == "fused"


@cache
def _accept(name: str, situation: str, engine: str) -> None:
    assert require_plain_numbers(cell_of(name), situation, engine) == "fused"


def _no_trace(*arguments: object) -> Any:
    raise AssertionError("the accepted plan was to be used")


@pytest.mark.parametrize("name", QUICK)
def test_every_parameter_has_an_effect_once_it_has_moved(name: str) -> None:
    """Or else the gradients that are compared would be zeros."""
    cell = cell_of(name)
    with moved(cell, 0.2):
        gradients = found_by(plain_unroll, cell, given_resets(cell)).gradients
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    for parameter, _ in cell.named_parameters():
        assert float(gradients[parameter].abs().max()) > 1e-5 * largest, parameter


@pytest.mark.parametrize("engine", ["fused", pytest.param("auto", marks=CI)])
@pytest.mark.parametrize("name", ["weight-dropped-lstm", "complex-lru", "slstm-block"])
@pytest.mark.ci
def test_a_deep_copy_is_a_cell_of_its_own(name: str, engine: str) -> None:
    cell = copy.deepcopy(cell_of(name))
    with moved(cell, 0.2):
        assert require_plain_numbers(cell, "resets", engine) == "fused"
    _accept(name, "resets", engine)


@pytest.mark.parametrize("engine", ["loop", "fused", pytest.param("auto", marks=CI)])
def test_stacked_copies_have_weights_of_their_own(engine: str) -> None:
    with double_precision():
        below = gated.WeightDroppedLSTM(INPUT_SIZE, INPUT_SIZE)
    cell = Stacked([below, copy.deepcopy(below)])
    with moved(cell, 0.2):
        ran = require_plain_numbers(cell, "resets", engine)
    assert ran == ("loop" if engine == "loop" else "fused")


@pytest.mark.parametrize("engine", ["fused", pytest.param("auto", marks=CI)])
@pytest.mark.ci
def test_different_cells_stacked_are_one_step(engine: str) -> None:
    with double_precision():
        cell = Stacked([xlstm.SLSTM(5, 4), linear.Mamba(4, 6), attention.SlidingWindow(6, 8)])
    assert require_plain_numbers(cell, "table", engine) == "fused"
    with moved(cell, 0.2):
        assert require_plain_numbers(cell, "table", engine) == "fused"


@pytest.mark.parametrize("ids", [pytest.param(False, id="numbers", marks=CI), pytest.param(True, id="ids")])
@pytest.mark.parametrize("name", QUICK)
def test_generation_one_step_at_a_time(name: str, ids: bool, caplog: pytest.LogCaptureFixture) -> None:
    cell = cell_of(name).eval()
    x = (given_ids if ids else given_resets)(cell).x.detach()
    state = given_resets(cell).state
    before = pytree.tree_map(torch.clone, state)
    try:
        for scale in (0.0, 0.2, 0.7):
            with moved(cell, scale), torch.no_grad():
                expected, _ = plain_unroll(cell, x, state)
                with caplog.at_level(logging.DEBUG, "seqkit"):
                    advance = make_stepper(cell, x[:, 0], state)
                found = torch.stack([advance(x_t) for x_t in x.unbind(1)], 1)
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
        torch.testing.assert_close(state, before, rtol=0, atol=0)
        assert not caplog.text  # a step that cannot be split and is called directly would be logged
    finally:
        cell.train()


@pytest.mark.ci
@pytest.mark.parametrize("name", CELLS)
def test_a_training_goes_as_in_the_loop(name: str) -> None:
    """60 updates from the same weights, with the state passed from each to the next."""
    cell, losses, engines = cell_of(name), {}, {}
    for engine in ("auto", "loop"):
        with moved(cell, 0.0):  # restores the weights afterwards
            losses[engine], engines[engine] = _trained(cell, engine)
    assert engines == {"auto": {"fused"}, "loop": {"loop"}}
    torch.testing.assert_close(losses["auto"], losses["loop"], rtol=1e-5, atol=0)
    assert losses["loop"][-10:].mean() < losses["loop"][:10].mean()  # it learns, so that weights move


def _trained(cell: Cell, engine: str, steps: int = 60) -> tuple[torch.Tensor, set[str]]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, BATCH, 6, INPUT_SIZE, dtype=torch.float64, generator=generator)
    inputs.requires_grad_()  # like the input of an upper layer
    targets = inputs.detach().roll(1, 2).mean(-1, keepdim=True)  # from the input of the step before
    optimizer = torch.optim.AdamW(cell.parameters(), lr=0.01)
    losses, engines, state = [], set(), None
    for step in range(steps):
        torch.manual_seed(step)
        outputs, state, ran = unroll_named(cell, inputs[step % 3], state, engine=engine)
        engines.add(ran)
        state = pytree.tree_map(torch.detach, state)
        loss = (outputs - targets[step % 3]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), engines
