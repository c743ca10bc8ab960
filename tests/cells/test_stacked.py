import pytest
import torch

from seqkit.cells import RNN, Stacked
from seqkit.errors import ContractError


def test_a_step_runs_through_every_cell() -> None:
    first, second = RNN(3, 4), RNN(4, 5, output_size=2)
    stacked = Stacked([first, second])
    assert (stacked.input_size, stacked.output_size) == (3, 2)
    x, state = torch.randn(6, 3), stacked.initial_state(6)
    out, after = stacked(x, state)
    middle, first_after = first(x, state[0])
    expected, second_after = second(middle, state[1])
    assert torch.equal(out, expected)
    assert torch.equal(after[0], first_after)
    assert torch.equal(after[1], second_after)


def test_sizes_must_fit() -> None:
    with pytest.raises(ContractError, match=r"cell 0 \(RNN\) gives 4 features, but cell 1 \(RNN\) takes 5"):
        Stacked([RNN(3, 4), RNN(5, 4)])
    with pytest.raises(ContractError, match="at least one cell"):
        Stacked([])
