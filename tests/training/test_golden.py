"""The first losses of a tiny training run: a change that moves them changes the numbers, and the
changelog says why (`numerics`)."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from seqkit_gated.gru import GRU
from seqkit_gated.lstm import LSTM, LayerNormLSTM
from seqkit_gated.minimal import MinGRU, MinLSTM

from seqkit import Cell, SequenceModel, Trainer
from seqkit.cells import RNN, Stacked
from seqkit.data import Lanes, TokenStream

V = 7
IDS = ((np.arange(2000) ** 2 // 3 + np.arange(2000) // 5) % V).astype(np.uint8)

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text("utf-8"))
"""The losses of the first 20 steps, by cell."""
CELLS: dict[str, Callable[[], Cell]] = {
    "rnn": lambda: RNN(V, 12),
    "stacked": lambda: Stacked([RNN(V, 12), RNN(12, 10)]),
    "lstm": lambda: LSTM(V, 12),
    "lnlstm": lambda: LayerNormLSTM(V, 12),
    "gru": lambda: GRU(V, 12),
    "gru-before": lambda: GRU(V, 12, reset="before"),
    "mingru": lambda: MinGRU(V, 12),
    "minlstm": lambda: MinLSTM(V, 12),
}
"""Every cell that ships."""


def deterministic_weights(model: SequenceModel) -> None:
    """Weights from a formula, because torch's random stream may change between versions."""
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            values = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * (index + 1.7)) * 0.3
            parameter.copy_(values.view_as(parameter))


@pytest.mark.parametrize("name", CELLS)
def test_the_first_twenty_losses_are_the_golden_ones(name: str) -> None:
    model = SequenceModel(CELLS[name](), vocab_size=V)
    deterministic_weights(model)
    trainer = Trainer(model, torch.optim.AdamW(model.parameters(), lr=0.01), state="carry")
    history = trainer.fit(Lanes(TokenStream(IDS, start_id=0), lanes=8, seq_len=10), steps=20)
    assert list(history.losses) == pytest.approx(GOLDEN[name], abs=1e-4)
