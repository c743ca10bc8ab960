"""Several processes train what one process trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqkit import SequenceModel
from seqkit.cells import RNN, Stacked
from seqkit.data import Lanes, TokenStream, Windows
from seqkit.training import Trainer
from seqkit.training.joining import joined
from seqkit.training.ranks import ALONE, Ranks
from tests.ranks import together

TOKENS = 7


def data(kind: str, batch_size: int) -> Any:
    """A text of 1,913 tokens with documents that end."""
    ids = np.random.default_rng(0).integers(0, TOKENS, 1913).astype(np.uint8)
    stream = TokenStream(ids, start_id=0, end_id=3)
    if kind == "carry":
        return Lanes(stream, lanes=batch_size, seq_len=20)
    return Windows(stream, batch_size=batch_size, seq_len=20, shuffle_seed=1)


def rnn() -> SequenceModel:
    return SequenceModel(RNN(TOKENS, 12), vocab_size=TOKENS)


def stacked() -> SequenceModel:
    return SequenceModel(Stacked([RNN(8, 12), RNN(12, 12)]), encoder="embedding", vocab_size=TOKENS)


def fit(model_of: Any, state: str, batch_size: int, steps: int, ranks: Ranks) -> Any:
    torch.manual_seed(0 if ranks.first else 1)  # the weights are those of the first
    model = model_of()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    trainer = Trainer(model, optimizer, state=state, seed=0, ranks=ranks)
    batches = data(state, batch_size)
    validation = data(state, 5)
    history = trainer.fit(batches, steps=steps, validation=validation, evaluate_every=7)
    gradients = {name: each.grad.clone() for name, each in model.named_parameters()}
    weights = {name: each.detach().clone() for name, each in model.named_parameters()}
    state = trainer.status.leaves()
    return list(history.losses), gradients, weights, state, history.evaluations, model.engine_ran


def fit_together(*arguments: Any) -> Any:
    with joined() as ranks:
        ranks.connect("cpu", 1.0, "none")
        return fit(*arguments, ranks)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("state", ["carry", "reset"])
def test_the_same_training(world: int, state: str) -> None:
    alone = fit(rnn, state, 7, 25, ALONE)
    several = together(world, fit_together, rnn, state, 7, 25)
    for each in several:
        np.testing.assert_allclose(each[0], alone[0], rtol=1e-5)
        assert each[0] == several[0][0]
        assert [row["loss"] for row in each[4]] == pytest.approx([row["loss"] for row in alone[4]], rel=1e-5)
        assert [row["tokens"] for row in each[4]] == [row["tokens"] for row in alone[4]]
        for name, gradient in alone[1].items():
            largest = max(each.abs().max() for each in alone[1].values())
            assert (each[1][name] - gradient).abs().max() <= 1e-6 * largest
            assert torch.equal(each[2][name], several[0][2][name])
            torch.testing.assert_close(each[2][name], alone[2][name], rtol=0, atol=1e-5)
