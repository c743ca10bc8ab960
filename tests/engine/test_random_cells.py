"""The split equals the loop for steps that nobody chose."""

import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell
from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import moved_cell, random_cell


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.ci) for seed in range(12, 200))]
)
def test_fused_is_the_loop(seed: int) -> None:
    cell = random_cell(seed)
    given = inputs_of(cell, seed)
    require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))
    moved_cell(cell, seed)  # the plan that was accepted, with gates that have opened
    require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))


class KeepsASoftmax(Cell):
    """A softmax that is kept next to another value: PyTorch's writes as if its memory were contiguous."""

    input_size = hidden_size = output_size = 6

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        weights, values = torch.softmax(self.first(x + h), dim=1), torch.tanh(self.second(h))
        return weights * values, torch.tanh(weights + values)


def test_a_softmax_that_is_kept_next_to_another_value() -> None:
    cell = KeepsASoftmax().double()
    x = torch.randn(3, 6, 6, dtype=torch.float64, requires_grad=True)
    require_equal(everything(cell, x, engine="fused"), everything(cell, x, engine="loop"))
