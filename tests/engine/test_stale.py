"""What a step reads may change between two calls: the next call gives the new numbers, whichever engine runs.

The expected numbers come from a plain loop over the cell as it is at that time.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell
from seqkit.engine import make_stepper
from tests.engine.published.catalogue import double_precision
from tests.engine.published.plain import found_by, given_resets, plain_unroll
from tests.engine.published.situations import require_plain_numbers

CI = pytest.mark.ci


@dataclass
class Inner:
    """Settings inside settings."""

    shift: float = 0.0
    scales: list[float] = field(default_factory=lambda: [1.0, 1.0])


@dataclass
class Settings:
    """Settings that a researcher keeps next to the weights."""

    slope: float = 1.0
    inner: Inner = field(default_factory=Inner)


class Slotted:
    """An object without a `__dict__`."""

    __slots__ = ("power",)

    def __init__(self, power: float) -> None:
        self.power = power


class Default:
    """Settings on the class, as some write them."""

    bias = 0.0


class Squash(nn.Module):
    """A custom module, with a setting on its class."""

    width = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / self.width)


class Base(Cell):
    """Its gain is inherited."""

    gain = 1.0


class Sloped(Base):
    """h' = act(squash(gain * slope * i2h(x) + h2h(h))), and more settings of every kind."""

    def __init__(self, input_size: int = 5, hidden_size: int = 8) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.act: nn.Module = nn.Tanh()
        self.squash = Squash()
        self.cfg = Settings()
        self.slotted = Slotted(1.0)
        self.default = Default()
        self.options: dict[str, Any] = {"mix": [0.5, types.SimpleNamespace(keep=1.0)]}
        self.function: Callable[[Tensor], Tensor] = torch.tanh

    @property
    def factor(self) -> float:
        return 1.0

    def project(self, x: Tensor) -> Tensor:
        return self.gain * self.cfg.slope * self.i2h(x) + self.cfg.inner.shift

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        first, second = self.cfg.inner.scales
        total = first * self.project(x) + second * self.h2h(state) + self.default.bias
        mix, more = self.options["mix"]
        state = self.act(self.squash(self.factor * total)) + mix * more.keep * self.function(state)
        return state * self.slotted.power, state


Change = Callable[[Sloped, pytest.MonkeyPatch], None]


def _other_step(self: Sloped, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    state = torch.sigmoid(self.i2h(x) - self.h2h(state))
    return state, state


CHANGES: dict[str, Change] = {
    "a field of a config": lambda cell, patch: setattr(cell.cfg, "slope", 0.3),
    "a field of a config in a config": lambda cell, patch: setattr(cell.cfg.inner, "shift", 0.3),
    "an item of a list in a config": lambda cell, patch: cell.cfg.inner.scales.__setitem__(1, 0.3),
    "a config that is another": lambda cell, patch: setattr(cell, "cfg", Settings(slope=0.3)),
    "a slot": lambda cell, patch: setattr(cell.slotted, "power", 0.3),
    "a default on the class of a config": lambda cell, patch: patch.setattr(Default, "bias", 0.3),
    "an item of a list in a dict": lambda cell, patch: cell.options["mix"].__setitem__(0, 0.1),
    "an attribute of an object in a dict": lambda cell, patch: setattr(cell.options["mix"][1], "keep", 0.3),
    "an activation": lambda cell, patch: setattr(cell, "act", nn.Sigmoid()),
    "a setting of a module": lambda cell, patch: setattr(cell.squash, "width", 2.0),
    "a setting on the class of a module": lambda cell, patch: patch.setattr(Squash, "width", 2.0),
    "the forward of a module's class": lambda cell, patch: patch.setattr(
        Squash, "forward", lambda self, x: torch.sin(x)
    ),
    "the forward of one module": lambda cell, patch: setattr(cell.squash, "forward", torch.sin),
    "a function": lambda cell, patch: setattr(cell, "function", torch.sigmoid),
    "an attribute of the class": lambda cell, patch: patch.setattr(Sloped, "gain", 0.3, raising=False),
    "an inherited attribute of the class": lambda cell, patch: patch.setattr(Base, "gain", 0.3),
    "a method": lambda cell, patch: patch.setattr(Sloped, "project", lambda self, x: 0.3 * self.i2h(x)),
    "a property": lambda cell, patch: patch.setattr(Sloped, "factor", property(lambda self: 0.3)),
    "the step of the class": lambda cell, patch: patch.setattr(Sloped, "step", _other_step),
    "the step of the cell": lambda cell, patch: setattr(cell, "step", types.MethodType(_other_step, cell)),
}


@pytest.fixture
def cell() -> Sloped:
    with double_precision():
        return Sloped()


@pytest.mark.parametrize("engine", [pytest.param("loop", marks=CI), "fused", pytest.param("auto", marks=CI)])
@pytest.mark.parametrize(
    "change",
    [change if place % 4 == 0 else pytest.param(change, marks=CI) for place, change in enumerate(CHANGES)],
)
def test_the_next_call_gives_the_new_numbers(
    change: str, engine: str, cell: Sloped, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = given_resets(cell)
    before = found_by(plain_unroll, cell, given)
    require_plain_numbers(cell, "resets", engine)
    CHANGES[change](cell, monkeypatch)
    after = found_by(plain_unroll, cell, given)
    assert not torch.allclose(before.results["outputs"], after.results["outputs"], atol=1e-3)
    for situation in ("resets", "recomputed"):
        ran = require_plain_numbers(cell, situation, engine)
        assert ran == ("loop" if engine == "loop" else "fused")
    monkeypatch.undo()  # the patches are undone, which must be detected as well
    require_plain_numbers(cell, "resets", engine)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.ci
def test_the_next_stepper_gives_the_new_numbers(
    change: str, cell: Sloped, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, state = given_resets(cell).x.detach(), cell.initial_state(4)
    found = []
    with torch.no_grad():
        for act in (lambda: None, lambda: CHANGES[change](cell, monkeypatch), monkeypatch.undo):
            act()
            expected, _ = plain_unroll(cell, x, state)
            advance = make_stepper(cell, x[:, 0], state)
            found.append(torch.stack([advance(x_t) for x_t in x.unbind(1)], 1))
            torch.testing.assert_close(found[-1], expected, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(found[0], found[1], atol=1e-3)


@pytest.mark.parametrize("engine", ["fused", pytest.param("auto", marks=CI)])
def test_a_setting_that_goes_back_and_forth(engine: str, cell: Sloped) -> None:
    for slope in (1.0, 0.3, 1.0, 2.0, 0.3):
        cell.cfg.slope = slope
        assert require_plain_numbers(cell, "numbers", engine) == "fused"


@pytest.mark.parametrize("engine", ["fused", pytest.param("auto", marks=CI)])
def test_cells_that_share_their_settings(engine: str, cell: Sloped) -> None:
    with double_precision():
        other = Sloped()
    other.cfg = cell.cfg
    for slope in (1.0, 0.3):
        cell.cfg.slope = slope
        for each in (cell, other):
            assert require_plain_numbers(each, "numbers", engine) == "fused"
