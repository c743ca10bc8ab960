"""Correct cells must pass: states of minus infinity, learned initial states, noise, surrogate gradients.

And faults must be found, both in a cell and in the engine.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from seqkit import engine
from seqkit.cells import Cell
from seqkit.engine.plan import check, plans
from seqkit.engine.split import derivative
from seqkit.engine.trace import call, functional
from seqkit.plugin import CellConfig, CellPlugin
from seqkit.testing import CellCase, engine_for, run_checks

pytestmark = pytest.mark.ci


class Plain(Cell):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def step(self, x: Tensor, h: Any) -> tuple[Tensor, Any]:
        h = torch.tanh(self.i2h(x) + self.h2h(h))
        return h, h


class Stabilised(Plain):
    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        h = super().initial_state(batch_size)
        return h, torch.full_like(h, -torch.inf)

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Any]:
        h, largest = state
        total = self.i2h(x) + self.h2h(h)
        largest = torch.maximum(largest, total)
        h = torch.tanh(total) * torch.exp(total - largest)
        return h, (h, largest)


class LearnedStart(Plain):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.start = nn.Parameter(torch.zeros(hidden_size))

    def initial_state(self, batch_size: int) -> Tensor:
        return self.start.expand(batch_size, -1)


class Noisy(Plain):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(x, nn.functional.dropout(h, 0.3, self.training))


class StraightThrough(Plain):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        out, h = super().step(x, h)
        return out, h + (h.round() - h).detach()


class SlowOscillator(Plain):
    """Learns slowly at one learning rate, and well at another."""

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        out, _ = super().step(x, h)
        h = h + 0.1 * (out - h)
        return h, h


class NoWeights(Cell):
    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.input_size = self.hidden_size = self.output_size = input_size

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tanh(x + 0.5 * h), torch.tanh(x - h)


def failed(case: CellCase, *only: str) -> dict[str, str]:
    return {result.check: result.message for result in run_checks(case, only).results if not result.passed}


@pytest.mark.parametrize(
    "case",
    [
        CellCase(Stabilised),
        CellCase(LearnedStart),
        CellCase(Noisy, stochastic=True),
        CellCase(StraightThrough, surrogate_gradients=True),
        CellCase(SlowOscillator),
        CellCase(NoWeights),
    ],
    ids=lambda case: case.name,
)
def test_a_correct_cell_passes(case: CellCase) -> None:
    assert failed(case) == {}


def test_a_missing_declaration_is_found_with_the_remedy() -> None:
    assert "CellPlugin(..., stochastic=True)" in failed(CellCase(Noisy), "deterministic")["deterministic"]
    said = failed(CellCase(StraightThrough), "gradients")["gradients"]
    assert said.startswith("the gradient of ")
    assert "surrogate_gradients=True" in said
    assert "another seed gives the same" in failed(CellCase(Plain, stochastic=True))["draws_follow_the_seed"]


class Act(Enum):
    TANH = "tanh"


class Periods(CellConfig):
    hidden_size: int = 6
    periods: tuple[int, ...] = (1, 2, 4)
    nested: tuple[tuple[float, str], ...] | None = ((0.5, "a"),)


class Sets(CellConfig):
    hidden_size: int = 6
    kept: set[int] = {1, 2}
    act: Act = Act.TANH


class Configured(Plain):
    def __init__(self, input_size: int, hidden_size: int, **settings: Any) -> None:
        super().__init__(input_size, hidden_size)
        self.settings = settings


def test_a_config_must_survive_a_recipe() -> None:
    case = CellCase("configured", plugins=[CellPlugin("configured", Periods, Configured)])
    assert failed(case, "config_survives_a_recipe") == {}
    case = CellCase("configured", plugins=[CellPlugin("configured", Sets, Configured)])
    said = failed(case, "config_survives_a_recipe")["config_survives_a_recipe"]
    assert "kept: a recipe cannot hold {1, 2}" in said
    assert "act: a recipe cannot hold <Act.TANH" in said


# Faults planted in the engine, each found by a check of the kit.


class BehindAGate(Plain):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.a, self.b = nn.Linear(hidden_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.gate = nn.Parameter(torch.zeros(()))

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        _, new = super().step(x, h)
        new = new + self.gate * torch.maximum(self.a(h), self.b(h))
        return new, new


class ComplexGate(Plain):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.phase = nn.Parameter(torch.randn(hidden_size))
        self.gate = nn.Parameter(torch.zeros(hidden_size))

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        _, new = super().step(x, h)
        turned = torch.polar(torch.ones_like(self.phase), self.phase) * h
        new = new + self.gate * turned.real
        return new, new


@dataclass
class Settings:
    slope: float = 1.0


class WithSettings(Plain):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.settings = Settings()

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(self.settings.slope * x, h)


class Normalised(Plain):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        parametrizations.weight_norm(self.h2h)


class WritesOver(Plain):
    def initial_state(self, batch_size: int) -> list[Tensor]:
        return [super().initial_state(batch_size)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        state[0] = torch.tanh(self.i2h(x) + self.h2h(state[0]))
        return state[0], state


def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_compared_moved", lambda plan, call: None)


def writes_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The joint graph keeps its in-place writes, as an earlier version did."""
    unchecked(monkeypatch)
    monkeypatch.setattr(derivative, "functional", lambda graph, inputs: graph)
    assert functional.functional is not derivative.functional


def complex_without_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    unchecked(monkeypatch)
    monkeypatch.setattr(derivative, "is_differentiable", Tensor.is_floating_point)


def stale_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "attributes_of", lambda cell: {})


def weights_of_the_first_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    first: dict[Any, Any] = {}

    def weights_of(cell: Cell) -> Any:
        weights = original(cell)
        return {
            name: first.setdefault((name.rpartition(".")[2], each.shape), each) if "::" in name else each
            for name, each in weights.items()
        }

    original = call.weights_of
    monkeypatch.setattr(call, "weights_of", weights_of)


def recomputed_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    def checkpoint(function: Any, x: Tensor, *arguments: Any, use_reentrant: bool) -> Any:
        return function(x.detach(), *arguments)

    monkeypatch.setattr(engine, "checkpoint", checkpoint)


@pytest.mark.parametrize(
    ("fault", "cell", "found_by"),
    [
        (writes_in_place, BehindAGate, "every_engine_equals_the_loop"),
        (complex_without_gradient, ComplexGate, "every_engine_equals_the_loop"),
        (stale_plans, WithSettings, "settings_are_followed"),
        (weights_of_the_first_copy, Normalised, "a_copy_has_its_own_weights"),
        (recomputed_without_gradients, Plain, "recomputed_steps_equal_the_loop"),
        (unchecked, WritesOver, "step_changes_no_input"),
    ],
)
def test_a_planted_fault_is_found(
    fault: Any, cell: type[Cell], found_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = failed(CellCase(cell))
    assert without.keys() == ({found_by} if cell is WritesOver else set())
    fault(monkeypatch)
    assert found_by in failed(CellCase(cell), found_by)


def test_the_engine_is_named_with_the_reason() -> None:
    assert engine_for(CellCase(Plain)) == ("fused", "")
    name, reason = engine_for(CellCase(Noisy))
    assert name == "loop"
    assert reason.startswith(
        "the step of Noisy cannot be split: it draws random numbers.\n  test_cells_of_papers.py"
    )
