import math

import numpy as np
import pytest
import torch

from seqkit import SequenceModel
from seqkit.cells import RNN
from seqkit.data import Lanes, TokenStream, Windows
from seqkit.training import intervals
from seqkit.training.evaluation import evaluate
from seqkit.training.intervals import LossSlices

IDS = np.random.default_rng(0).integers(0, 5, size=6_007).astype(np.uint8)


@pytest.fixture
def model() -> SequenceModel:
    torch.manual_seed(1)
    return SequenceModel(RNN(5, 8), vocab_size=5)


@pytest.mark.parametrize("state", ["reset", "carry"])
@pytest.mark.parametrize("seq_len", [30, 250])
def test_the_slices_are_in_the_order_of_the_text(
    model: SequenceModel, state: str, seq_len: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that knows one half of the text better: the slices of the halves have two levels."""
    ids = np.concatenate([IDS[:3000], np.zeros(3007, np.uint8)])
    data = (
        Windows(TokenStream(ids, start_id=0), batch_size=4, seq_len=seq_len)
        if state == "reset"
        else Lanes(TokenStream(ids, start_id=0), lanes=4, seq_len=seq_len)
    )
    with torch.no_grad():
        model.head.projection.bias[0] = 3.0
    seen = []
    monkeypatch.setattr(
        intervals, "block_bootstrap_mean", lambda values, block: seen.append((values, block)) or (0, 1)
    )
    slices = LossSlices(in_lanes=state == "carry")
    loss = evaluate(model, data, state=state, slices=slices)["loss"]
    low, high = slices.interval_95(loss)
    ((values, block),) = seen
    hard = values > 1.0
    assert hard.sum() == pytest.approx(len(values) / 2, abs=3)
    assert np.abs(np.diff(hard.astype(int))).sum() == 1  # one change of level, in the middle
    assert block == len(values) // 10
    assert (low + high) / 2 - 0.5 == pytest.approx(loss - values.mean())


def test_the_loss_is_that_without_slices(model: SequenceModel) -> None:
    data = Lanes(TokenStream(IDS, start_id=0), lanes=16, seq_len=50)
    with_slices = evaluate(model, data, state="carry", slices=LossSlices(True))
    assert with_slices == pytest.approx(evaluate(model, data, state="carry"))


def test_the_interval_is_around_the_loss_and_as_wide_as_the_noise(model: SequenceModel) -> None:
    slices = LossSlices(True)
    loss = evaluate(
        model, Lanes(TokenStream(IDS, start_id=0), lanes=4, seq_len=50), state="carry", slices=slices
    )["loss"]
    low, high = slices.interval_95(loss)
    assert low < loss < high
    with torch.no_grad():
        ids = torch.from_numpy(IDS.astype(np.int64))
        each = model.head.loss(model(ids[None, :-1])[0][0], ids[1:])
    independent = 2 * 1.96 * each.std().item() / math.sqrt(len(IDS))  # the ids are drawn one by one
    assert high - low == pytest.approx(independent, rel=0.5)
    assert slices.interval_95(loss) == [low, high]


def test_a_short_text_or_a_diverged_model_has_none(model: SequenceModel) -> None:
    slices = LossSlices(False)
    loss = evaluate(
        model, Windows(TokenStream(IDS[:90], start_id=0), batch_size=2, seq_len=10), slices=slices
    )["loss"]
    assert slices.interval_95(loss) is None
    slices = LossSlices(False)
    evaluate(model, Windows(TokenStream(IDS, start_id=0), batch_size=2, seq_len=100), slices=slices)
    assert slices.interval_95(float("nan")) is None
