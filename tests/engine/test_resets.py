"""Resets of rows within a batch."""

import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell, unroll
from seqkit.cells import RNN
from seqkit.engine.plan import fused
from seqkit.errors import SplitError, StepError
from tests.engine.comparing import everything, require_equal


class Swapping(Cell):
    """Begins at a learned state, returns one leaf as another, and outputs one as it was before the step."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.start = nn.Parameter(torch.randn(hidden_size))

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.start.expand(batch_size, self.hidden_size)
        return hidden, 2 * hidden, self.zeros(batch_size).long()

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        hidden, before, count = state
        new = torch.tanh(self.i2h(x) + self.h2h(hidden) + before)
        return before * (count[:, None] + 1), (new, hidden, count + 1)


@pytest.mark.parametrize("recompute_every", [None, 2])
@pytest.mark.parametrize("steps", [[], [0], [3], [0, 1, 2, 3, 4, 5, 6], [6]])
@pytest.mark.parametrize("engine", ["fused", pytest.param("compiled", marks=pytest.mark.ci)])
def test_resets_are_those_of_the_loop(engine: str, steps: list[int], recompute_every: int | None) -> None:
    torch.manual_seed(0)
    cell = Swapping(4, 5).double()
    x = torch.randn(3, 7, 4, dtype=torch.float64, requires_grad=True)
    state = (*torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True).unbind(), torch.arange(3))
    reset = torch.zeros(3, 7, dtype=torch.bool)
    for step in steps:
        reset[step % 3 :, step] = True
    expected = everything(cell, x, state, reset, engine="loop")
    ours = everything(cell, x, state, reset, engine=engine, recompute_every=recompute_every)
    require_equal(ours, expected)


class Spreading(Cell):
    """States of other shapes than `(batch, features)`; the initial ones are expanded over the batch."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.start = nn.Parameter(torch.randn(1, hidden_size))

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        return {"hidden": self.start, "pairs": self.start[..., None].expand(1, -1, 2), "mean": self.zeros(1)}

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        hidden = torch.tanh(self.i2h(x) + self.h2h(state["hidden"]) + state["mean"][:, None])
        pairs = torch.stack([state["pairs"].sum(-1), hidden], -1).tanh()
        return pairs[..., 0], {"mean": hidden.mean(1) + state["mean"], "hidden": hidden, "pairs": pairs}


@pytest.mark.parametrize("step", [0, 1, 5])
@pytest.mark.parametrize("engine", ["fused", pytest.param("compiled", marks=pytest.mark.ci)])
def test_an_initial_state_is_spread_and_found_by_its_names(engine: str, step: int) -> None:
    torch.manual_seed(0)
    cell, ids = Spreading(4, 5), torch.randint(4, (3, 7))
    state = {"mean": torch.randn(3), "hidden": torch.randn(3, 5), "pairs": torch.randn(3, 5, 2)}
    reset = torch.zeros(3, 7, dtype=torch.bool)
    reset[1:, step] = True
    expected = everything(cell, ids, state, reset, engine="loop")
    require_equal(everything(cell, ids, state, reset, engine=engine), expected, 1e-5)
    with torch.no_grad():
        ours, theirs = (everything(cell, ids, state, reset, engine=each) for each in (engine, "loop"))
    require_equal(ours, theirs, 1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        half = [everything(cell, ids, state, reset, engine=each)[0] for each in (engine, "loop")]
    require_equal(half[0], half[1], 0.02)


class Wavering(Cell):
    """Its initial state differs from call to call, which no engine can know."""

    input_size = hidden_size = output_size = 3
    count = 0

    def initial_state(self, batch_size: int) -> Tensor:
        Wavering.count += 1
        return torch.full((batch_size, 3), float(Wavering.count))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return x + state, x * state


def test_the_check_includes_a_reset() -> None:
    reset = torch.zeros(2, 6, dtype=torch.bool)
    reset[0, 5] = True  # long after the steps that are checked
    with pytest.raises(SplitError, match="differs from the loop"):
        unroll(Wavering(), torch.randn(2, 6, 3), torch.ones(2, 3), reset=reset, engine="fused")


class Faulty(RNN):
    """An RNN that has no initial state."""

    def initial_state(self, batch_size: int) -> Tensor:
        raise ValueError("none yet")


@pytest.mark.parametrize("engine", ["auto", "loop"])
def test_a_fault_of_the_initial_state_is_reported_with_its_line(engine: str) -> None:
    reset = torch.ones(2, 1, dtype=torch.bool)
    with pytest.raises(StepError, match=r"(?s)none yet.*test_resets.py, line \d+"):
        unroll(Faulty(3, 4), torch.randn(2, 1, 3), torch.ones(2, 4), reset=reset, engine=engine)


def test_resets_at_the_first_step_need_no_other_split(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = []

    def trace_step(*arguments: object) -> object:
        traced.append(arguments)
        return original(*arguments)  # type: ignore[arg-type]

    original = fused.trace_step
    monkeypatch.setattr(fused, "trace_step", trace_step)
    cell, x, reset = (
        Swapping(4, 5).double(),
        torch.randn(3, 7, 4).double(),
        torch.zeros(3, 7, dtype=torch.bool),
    )
    everything(cell, x, engine="fused")
    reset[:, 0] = True
    everything(cell, x, reset=reset, engine="fused")
    assert len(traced) == 1
    reset[1, 2] = True
    everything(cell, x, reset=reset, engine="fused")
    assert len(traced) == 2
