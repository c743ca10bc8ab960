import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit import Cell, SequenceModel, unroll
from seqkit.cells import RNN, Stacked
from seqkit.errors import ContractError, UnknownNameError


def test_it_is_torch_nn_rnn_in_outputs_state_and_gradients() -> None:
    cell, theirs = RNN(3, 4).double(), torch.nn.RNN(3, 4, batch_first=True).double()
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(cell.i2h.weight)
        theirs.weight_hh_l0.copy_(cell.h2h.weight)
        theirs.bias_ih_l0.zero_()
        theirs.bias_hh_l0.copy_(cell.h2h.bias)
    x = torch.randn(5, 7, 3, dtype=torch.float64)
    state = torch.randn(5, 4, dtype=torch.float64)
    outputs, final = unroll(cell, x, state)
    expected, expected_final = theirs(x, state[None])
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(final, expected_final[0])
    weights = torch.randn_like(outputs)
    (outputs * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(cell.i2h.weight.grad, theirs.weight_ih_l0.grad)
    torch.testing.assert_close(cell.h2h.weight.grad, theirs.weight_hh_l0.grad)
    torch.testing.assert_close(cell.h2h.bias.grad, theirs.bias_hh_l0.grad)


def test_ids_are_one_hot_rows() -> None:
    cell = RNN(6, 4)
    ids = torch.randint(6, (3, 8))
    outputs, final = unroll(cell, ids)
    expected, expected_final = unroll(cell, torch.nn.functional.one_hot(ids, 6).float())
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(final, expected_final)


@settings(max_examples=25)
@given(st.data())
@pytest.mark.ci
def test_a_reset_returns_that_row_to_the_initial_state(data: st.DataObject) -> None:
    batch, time = 3, 9
    cell, x = RNN(2, 4), torch.randn(batch, time, 2)
    state = torch.randn(batch, 4)
    flags = data.draw(st.lists(st.booleans(), min_size=batch * time, max_size=batch * time))
    reset = torch.tensor(flags).view(batch, time)
    outputs, final = unroll(cell, x, state, reset=reset)
    for row in range(batch):
        hidden = state[row : row + 1]
        for t in range(time):
            if reset[row, t]:
                hidden = torch.zeros(1, 4)
            out, hidden = cell(x[row : row + 1, t], hidden)
            torch.testing.assert_close(outputs[row : row + 1, t], out)
        torch.testing.assert_close(final[row : row + 1], hidden)


def test_chunks_with_the_state_passed_on_equal_the_whole() -> None:
    cell, x = Stacked([RNN(3, 4), RNN(4, 5)]), torch.randn(2, 10, 3)
    whole, final = unroll(cell, x)
    first, state = unroll(cell, x[:, :6])
    second, after = unroll(cell, x[:, 6:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(after, final)


def test_outputs_are_a_view_of_time_major_memory() -> None:
    outputs, _ = unroll(RNN(3, 4), torch.randn(2, 5, 3))
    assert outputs.shape == (2, 5, 4)
    assert outputs.transpose(0, 1).is_contiguous()


@pytest.mark.parametrize(
    ("x", "reset", "message"),
    [
        (
            torch.zeros(2, 5, 4),
            None,
            r"numbers \(batch, time, 3\) or integer ids .* got torch.float32 \(2, 5, 4\)",
        ),
        (torch.zeros(2, 5), None, r"got torch.float32 \(2, 5\)"),
        (torch.zeros(2, 5, 3, dtype=torch.long), None, r"got torch.int64 \(2, 5, 3\)"),
        (torch.zeros(2, 0, 3), None, "at least one time step"),
        (torch.zeros(2, 5, 3), torch.zeros(2, 4, dtype=torch.bool), r"reset must be bool \(2, 5\)"),
        (torch.zeros(2, 5, 3), torch.zeros(2, 5), "got torch.float32"),
    ],
)
def test_invalid_input_is_reported(x: torch.Tensor, reset: torch.Tensor | None, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        unroll(RNN(3, 4), x, reset=reset)


def test_an_unknown_engine_is_reported() -> None:
    with pytest.raises(UnknownNameError, match=r"no engine is called 'lop'. Did you mean 'loop'"):
        unroll(RNN(3, 4), torch.zeros(1, 1, 3), engine="lop")


class TestBrokenContracts:
    class Broken(Cell):
        def __init__(self, result: object) -> None:
            super().__init__()
            self.input_size, self.output_size, self.hidden_size = 3, 4, 4
            self.result = result

        def step(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.result  # type: ignore[return-value]

    @pytest.mark.parametrize(
        ("result", "message"),
        [
            (torch.zeros(2, 4), r"Broken.step must return \(output, state\); it returned a Tensor"),
            ((torch.zeros(2, 4),) * 3, "it returned a tuple of 3"),
            (
                (torch.zeros(2, 5), torch.zeros(2, 4)),
                r"shape \(batch, output_size\) = \(2, 4\); it returned \(2, 5\)",
            ),
            ((None, torch.zeros(2, 4)), "it returned NoneType"),
            ((torch.zeros(2, 4), None), "a state with 2 rows, the batch first; it returned None"),
            ((torch.zeros(2, 4), torch.zeros(3, 4)), "it returned 3 rows"),
        ],
    )
    def test_a_step_that_returns_something_else_is_reported(self, result: object, message: str) -> None:
        with pytest.raises(ContractError, match=message):
            unroll(self.Broken(result), torch.zeros(2, 5, 3))

    def test_something_other_than_a_cell_is_reported(self) -> None:
        with pytest.raises(ContractError, match="LSTMCell is not a Cell: subclass seqkit.Cell"):
            SequenceModel(torch.nn.LSTMCell(3, 4), vocab_size=3)  # type: ignore[arg-type]
        cell = self.Broken(None)
        del cell.output_size
        with pytest.raises(ContractError, match="Broken does not set its output_size"):
            unroll(cell, torch.zeros(2, 5, 3))
