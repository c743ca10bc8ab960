"""Rows that start anew within a batch."""

import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell
from seqkit.engine import fused
from tests.engine.comparing import everything, require_equal


class Swapping(Cell):
    """Begins at a learned state, hands one on as another, and gives out one as it was before the step."""

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


@pytest.mark.parametrize("checkpoint_every", [None, 2])
@pytest.mark.parametrize("steps", [[], [0], [3], [0, 1, 2, 3, 4, 5, 6], [6]])
@pytest.mark.parametrize("engine", ["fused", "compiled"])
def test_resets_are_those_of_the_loop(engine: str, steps: list[int], checkpoint_every: int | None) -> None:
    torch.manual_seed(0)
    cell = Swapping(4, 5).double()
    x = torch.randn(3, 7, 4, dtype=torch.float64, requires_grad=True)
    state = (*torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True).unbind(), torch.arange(3))
    reset = torch.zeros(3, 7, dtype=torch.bool)
    for step in steps:
        reset[step % 3 :, step] = True
    expected = everything(cell, x, state, reset, engine="loop")
    ours = everything(cell, x, state, reset, engine=engine, checkpoint_every=checkpoint_every)
    require_equal(ours, expected)


def test_rows_that_start_anew_at_the_first_step_need_no_other_split(monkeypatch: pytest.MonkeyPatch) -> None:
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
