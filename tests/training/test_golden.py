"""The first losses of a tiny training run: a change that moves them changes the numbers, and the
changelog says why (`numerics`)."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from seqkit import Cell, SequenceModel, Trainer
from seqkit.cells import RNN, Stacked
from seqkit.data import Lanes, TokenStream

V = 7
IDS = ((np.arange(2000) ** 2 // 3 + np.arange(2000) // 5) % V).astype(np.uint8)

GOLDEN = {
    "rnn": [
        1.955684,
        1.969418,
        1.957,
        1.937973,
        1.930613,
        1.941659,
        1.933388,
        1.922035,
        1.918579,
        1.930588,
        1.918294,
        1.915271,
        1.907641,
        1.910156,
        1.925623,
        1.899939,
        1.887217,
        1.872721,
        1.910548,
        1.883194,
    ],
    "stacked": [
        1.994772,
        2.090621,
        2.009909,
        1.961763,
        1.969013,
        1.946293,
        1.98109,
        1.961242,
        1.949057,
        1.944798,
        1.953218,
        1.937663,
        1.937837,
        1.926198,
        1.931245,
        1.919799,
        1.929683,
        1.919857,
        1.915446,
        1.901558,
    ],
}
CELLS: dict[str, Callable[[], Cell]] = {
    "rnn": lambda: RNN(V, 12),
    "stacked": lambda: Stacked([RNN(V, 12), RNN(12, 10)]),
}


def deterministic_weights(model: SequenceModel) -> None:
    """Weights from a formula, because torch's random stream may change between versions."""
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            values = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * (index + 1.7)) * 0.3
            parameter.copy_(values.view_as(parameter))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_twenty_losses_are_the_golden_ones(name: str) -> None:
    model = SequenceModel(CELLS[name](), vocab_size=V)
    deterministic_weights(model)
    trainer = Trainer(model, torch.optim.AdamW(model.parameters(), lr=0.01), state="carry")
    history = trainer.fit(Lanes(TokenStream(IDS, start_id=0), lanes=8, seq_len=10), steps=20)
    assert list(history.losses) == pytest.approx(GOLDEN[name], abs=1e-4)
