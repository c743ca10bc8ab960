from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqkit import SequenceModel
from seqkit.bench.steps import GRU, LSTM
from seqkit.cells import RNN, Cell, Stacked
from seqkit.inference.stepping import Stepper

VOCAB = 11


class Branching(RNN):
    """A step that cannot be split."""

    def step(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(x, hidden if hidden.sum() > -100 else -hidden)


class Nested(Cell):
    """A state that is a tree and contains a counter."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, 4
        self.i2h = nn.Linear(input_size, 4)

    def initial_state(self, batch_size: int) -> Any:
        return {"h": self.zeros(batch_size, 4), "seen": (torch.zeros(batch_size, 1, dtype=torch.long),)}

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        seen = state["seen"][0] + 1
        h = torch.tanh(self.i2h(x) + 0.5 * state["h"]) + 0.01 * seen
        return h, {"h": h, "seen": (seen,)}


@pytest.mark.parametrize("encoder", ["one_hot", "embedding"])
@pytest.mark.parametrize(
    "make",
    [
        lambda size: RNN(size, 8),
        lambda size: GRU(size, 8),
        lambda size: LSTM(size, 8),
        lambda size: Stacked([LSTM(size, 8), GRU(8, 6)]),
        Nested,
        lambda size: Branching(size, 8),
    ],
    ids=["rnn", "gru", "lstm", "stacked", "nested", "cannot be split"],
)
def test_steps_are_those_of_the_model(make: Any, encoder: Any) -> None:
    torch.manual_seed(0)
    model = SequenceModel(make(VOCAB if encoder == "one_hot" else 5), encoder=encoder, vocab_size=VOCAB)
    model = model.double().eval()
    ids = torch.randint(VOCAB, (2, 12))
    with torch.inference_mode():
        expected, _ = model(ids)
        _, state = model(ids[:, :4])
        stepper = Stepper(model, state)
        found = torch.stack([stepper(ids[:, t]) for t in range(4, 12)], 1)
    torch.testing.assert_close(found, expected[:, 4:])


def test_two_steppers_of_a_model_keep_states_of_their_own() -> None:
    torch.manual_seed(0)
    model = SequenceModel(LSTM(VOCAB, 8), vocab_size=VOCAB).eval()
    ids = torch.randint(VOCAB, (1, 6))
    with torch.inference_mode():
        expected, _ = model(ids)
        first, second = (Stepper(model, model.cell.initial_state(1)) for _ in range(2))
        first(ids[:, 5])
        found = torch.stack([second(ids[:, t]) for t in range(6)], 1)
    torch.testing.assert_close(found, expected)


def test_new_weights_are_read_by_the_next_stepper() -> None:
    torch.manual_seed(0)
    model = SequenceModel(RNN(VOCAB, 8), vocab_size=VOCAB).eval()
    ids = torch.randint(VOCAB, (1, 1))
    state = model.cell.initial_state(1)
    with torch.inference_mode():
        Stepper(model, state)(ids[:, 0])
    with torch.no_grad():
        model.cell.i2h.weight.mul_(3)
    with torch.inference_mode():
        torch.testing.assert_close(Stepper(model, state)(ids[:, 0]), model(ids)[0][:, 0])
