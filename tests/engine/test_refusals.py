"""Steps that must not be split: each is refused with its line, and the loop runs it."""

import logging
import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell, unroll
from seqkit.cells import RNN
from seqkit.engine.plan import fused
from seqkit.engine.split import derivative
from seqkit.errors import ContractError, SplitError
from tests.engine.comparing import everything, require_equal


class Base(Cell):
    """h' = tanh(i2h(x) + h2h(h)), with a fault in `step` of a subclass."""

    def __init__(self) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = 3, 4, 4
        self.i2h, self.h2h = nn.Linear(3, 4), nn.Linear(4, 4)
        self.calls = 0
        self.seen: list[int] = []

    def next(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.i2h(x) + self.h2h(h))


class Branches(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) if h.sum() > 0 else self.next(x, -h)  # here
        return h, h


class Item(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) * (1 + h.abs().max().item())  # here
        return h, h


class ToList(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) + sum(h[0].tolist())  # here
        return h, h


class NumPy(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, torch.from_numpy(h.detach().numpy() * 0.5))  # here
        return h, h


class WritesToState(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = h.clone().detach() if h.requires_grad else h
        h.mul_(0.5)  # here
        h = self.next(x, h)
        return h, h


class WritesToViewOfInput(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        result = self.next(x.clone(), h)
        x[:, :1].zero_()  # here
        return result, result


class Draws(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) + 0 * torch.rand_like(h)  # here
        return h, h


class DropsOut(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = nn.functional.dropout(self.next(x, h), 1e-9)  # here
        return h, h


class WritesAttribute(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1  # here
        h = self.next(x, h)
        return h, h


class KeepsValues(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(len(h))  # here
        h = self.next(x, h)
        return h, h


class MixesRows(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h)
        h = h - h.mean(0, keepdim=True)  # here
        return h, h


class RollsRows(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x.roll(1, 0), h)  # here
        return h, h


class NoGrad(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():  # here
            scale = h.abs().amax(1, keepdim=True) + 1
        h = self.next(x, h) / scale
        return h, h


class Data(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) + h.data  # here
        return h, h


class Hook(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h)
        if h.requires_grad:
            h.register_hook(lambda gradient: gradient.clamp(-1, 1))  # here
        return h, h


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sign()  # here

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class OwnDerivative(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = 0.5 * _StraightThrough.apply(self.next(x, h))
        return h, h


class DifferentEveryTime(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) * (1 + 1e-9 * random.random())  # here
        return h, h


class ShapeOfNumbers(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) + h[h > 0].sum()  # here
        return h, h


class LooseTensor(Base):
    def __init__(self) -> None:
        super().__init__()
        self.loose = [torch.ones(4, dtype=torch.float64)]

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) * self.loose[0]  # here
        return h, h


class GrowingState(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        new = self.next(x, h[:, :4])
        return new, torch.cat([h, new], 1)  # here


REASONS = {
    Branches: "needs the value of a tensor in Python",
    Item: "needs the value of a tensor in Python",
    ToList: "needs the value of a tensor in Python",
    NumPy: "leaves PyTorch",
    WritesToState: "",  # it depends on the mode; see below
    WritesToViewOfInput: "writes to its input, its state, a weight or a buffer in place",
    Draws: "draws random numbers",
    DropsOut: "draws random numbers",
    WritesAttribute: "sets the attribute 'calls'",
    KeepsValues: "sets the attribute 'seen'",
    MixesRows: "rows depend on each other",
    RollsRows: "rows depend on each other",
    NoGrad: "switches gradients on or off",
    Data: "bypasses autograd with .data",
    Hook: "registers a hook",
    OwnDerivative: "defines its own derivative",
    DifferentEveryTime: "does not perform the same operations twice",
    ShapeOfNumbers: "the shape of a result depends on the values of a tensor",
    LooseTensor: "neither a parameter nor a buffer",
    GrowingState: "changes its shape or dtype from step to step",
}


def given(cell: Cell) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 5, cell.input_size, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("kind", [kind for kind, reason in REASONS.items() if reason])
def test_it_is_refused_with_a_reason_and_run_by_the_loop(
    kind: type[Base], caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    cell = kind().double()
    reason = REASONS[kind]
    with pytest.raises(SplitError) as refusal:
        unroll(cell, given(cell), engine="fused")
    assert f"the step of {kind.__name__} cannot be split: " in str(refusal.value)
    assert reason in str(refusal.value)
    with caplog.at_level(logging.WARNING, "seqkit"):
        ours = everything(cell, given(cell))
        everything(cell, given(cell))
    assert len(caplog.records) == 1  # one line for the cell, however often it runs
    assert reason in caplog.text
    cell.calls = 0
    random_steps = (DifferentEveryTime, Draws, DropsOut)
    tolerance = 1e-6 if kind in random_steps else 0.0
    require_equal(ours, everything(cell, given(cell), engine="loop"), tolerance)


LINED = [kind for kind, reason in REASONS.items() if reason]


@pytest.mark.parametrize("kind", LINED)
def test_the_line_is_named(kind: type[Base]) -> None:
    cell = kind().double()
    with pytest.raises(SplitError, match=r"test_refusals.py, line \d+: .*# here"):
        unroll(cell, given(cell), engine="fused")


class Gate(Base):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(()))

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h) + self.gate * torch.maximum(h, self.h2h(h))  # here
        return h, h


def test_a_wrong_derivative_behind_a_closed_gate_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derivative, "functional", lambda graph, inputs: graph)
    with pytest.raises(SplitError) as caught:
        unroll(Gate().double(), given(Gate()), engine="fused")
    assert "the gradient of " in str(caught.value)
    assert "of its largest number, at " in str(caught.value)
    assert "test_refusals.py, line " in str(caught.value)


def test_a_graph_that_still_writes_is_refused_with_the_name_of_the_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.func, "functionalize", lambda function: function)

    class Writes(Base):
        def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = self.next(x, h)
            h = (h + 1).clamp_(max=1.5)  # here
            return h, h

    with pytest.raises(SplitError, match=r"(?s)aten.clamp_.default writes in place.*# here"):
        unroll(Writes().double(), given(Writes()), engine="fused")


def test_a_nan_in_the_split_alone_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_core(*arguments: Any) -> Any:
        emitted, final = original(*arguments)
        return [each * torch.nan for each in emitted], [each * torch.nan for each in final]

    original = fused.run_core
    monkeypatch.setattr(fused, "run_core", run_core)
    cell = RNN(3, 4).double()
    with pytest.raises(
        SplitError, match=r"(?s)its output differs from the loop's \(it is NaN\), at tanh.*rnn.py"
    ):
        unroll(cell, given(cell), engine="fused")


def test_a_write_to_the_state_is_refused_even_if_the_loop_allows_it() -> None:
    cell = WritesToState().double()
    with torch.no_grad(), pytest.raises(SplitError, match="in place"):
        unroll(cell, given(cell), engine="fused")


@pytest.mark.parametrize("engine", ["loop", "auto"])
def test_a_write_to_the_state_is_an_error_if_outputs_would_be_overwritten(engine: str) -> None:
    class Accumulates(Base):
        def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h *= 0.9
            h += torch.tanh(self.i2h(x))
            return h, h

    with pytest.raises(ContractError, match=r"(?s)writes to its state in place.*test_refusals.py, line"):
        unroll(Accumulates().double(), given(Accumulates()), engine=engine)


def test_a_refused_step_leaves_no_trace_in_its_cell() -> None:
    cell = KeepsValues().double()
    with pytest.raises(SplitError):
        unroll(cell, given(cell), engine="fused")
    assert cell.seen == []


def test_a_broken_contract_is_reported_as_such() -> None:
    class NoState(Base):
        def step(self, x: Tensor, h: Tensor) -> Any:
            return self.next(x, h)

    with pytest.raises(ContractError, match="must return"):
        unroll(NoState().double(), torch.zeros(2, 3, 3, dtype=torch.float64))


def test_a_second_derivative_is_refused_with_a_message() -> None:
    cell = RNN(3, 4)
    x = torch.randn(2, 5, 3, requires_grad=True)
    outputs, _ = unroll(cell, x, engine="fused")
    with pytest.raises(ContractError, match="use engine='loop' to differentiate twice"):
        torch.autograd.grad(outputs.sum(), x, create_graph=True)
