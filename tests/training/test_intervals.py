import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter

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
def test_the_slices_are_in_the_order_of_the_text(model: SequenceModel, state: str, seq_len: int) -> None:
    """A model that predicts one half of the text better: the slices of the halves have two levels."""
    ids = np.concatenate([IDS[:3000], np.zeros(3007, np.uint8)])
    data = (
        Windows(TokenStream(ids, start_id=0), batch_size=4, seq_len=seq_len)
        if state == "reset"
        else Lanes(TokenStream(ids, start_id=0), lanes=4, seq_len=seq_len)
    )
    with torch.no_grad():
        model.head.projection.bias[0] = 3.0
    slices = LossSlices(in_lanes=state == "carry")
    loss = evaluate(model, data, state=state, slices=slices)["loss"]
    sums, sizes = slices._in_order(slices._sums), slices._in_order(slices._sizes)
    assert sizes.sum() == len(ids)
    hard = sums[sizes > 0] / sizes[sizes > 0] > 1.0
    assert np.abs(np.diff(hard.astype(int))).sum() == 1  # one change of level, in the middle
    low, high = slices.interval_95()
    assert (low + high) / 2 == pytest.approx(loss)


def losses_of_a_text(length: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Losses that stay high for some hundred positions in a row; their mean is 1.5."""
    drift = lfilter([0.1], [1.0, -0.99], generator.normal(size=length + 1000))[1000:]
    return 1.0 + drift + generator.exponential(0.5, length)


@pytest.mark.parametrize(
    ("length", "lanes"), [(1_000, 1), (6_400, 16), (6_401, 16), (100_000, 16), (100_000, 1)]
)
@pytest.mark.ci
def test_the_interval_covers_what_it_promises(length: int, lanes: int) -> None:
    generator = np.random.default_rng(length)
    covered, found = 0, 0
    for _ in range(400):
        losses = losses_of_a_text(length, generator)
        lane_length = -(-length // lanes)
        rows = np.zeros(lanes * lane_length)
        rows[:length] = losses
        counted = torch.from_numpy(np.arange(len(rows)) < length).view(lanes, -1)
        slices = LossSlices(in_lanes=True)
        for start in range(0, lane_length, 6_250):
            window = slice(start, start + 6_250)
            slices.add(torch.from_numpy(rows).view(lanes, -1)[:, window], counted[:, window])
        ends = slices.interval_95()
        if ends is not None:
            found += 1
            covered += ends[0] <= 1.5 <= ends[1]
    if length < intervals.FEWEST_POSITIONS:
        assert not found
    else:
        assert found == 400
        assert 0.90 <= covered / found <= 0.98


def test_one_position_more_changes_little() -> None:
    """The last slice of a lane may hold one position: it has the weight of one."""
    losses = losses_of_a_text(6_401, np.random.default_rng(0))
    losses[-1] = 12.0
    widths = []
    for length in (6_400, 6_401):
        slices = LossSlices(in_lanes=True)
        slices.add(torch.from_numpy(losses[:length])[None], torch.ones(1, length, dtype=torch.bool))
        low, high = slices.interval_95()
        widths.append(high - low)
    assert widths[0] == pytest.approx(widths[1], rel=0.05)


def test_the_loss_is_that_without_slices(model: SequenceModel) -> None:
    data = Lanes(TokenStream(IDS, start_id=0), lanes=16, seq_len=50)
    with_slices = evaluate(model, data, state="carry", slices=LossSlices(True))
    assert with_slices == pytest.approx(evaluate(model, data, state="carry"))


def test_the_interval_is_around_the_loss_and_as_wide_as_the_noise(model: SequenceModel) -> None:
    slices = LossSlices(True)
    loss = evaluate(
        model, Lanes(TokenStream(IDS, start_id=0), lanes=4, seq_len=50), state="carry", slices=slices
    )["loss"]
    low, high = slices.interval_95()
    assert low < loss < high
    with torch.no_grad():
        ids = torch.from_numpy(IDS.astype(np.int64))
        each = model.head.loss(model(ids[None, :-1])[0][0], ids[1:])
    independent = 2 * 1.96 * each.std().item() / math.sqrt(len(IDS))  # the ids are drawn one by one
    assert high - low == pytest.approx(independent, rel=0.5)
    assert slices.interval_95() == [low, high]


def test_a_short_text_or_a_diverged_model_has_none(model: SequenceModel) -> None:
    slices = LossSlices(False)
    evaluate(model, Windows(TokenStream(IDS[:90], start_id=0), batch_size=2, seq_len=10), slices=slices)
    assert slices.interval_95() is None
    slices = LossSlices(False)
    slices.add(torch.full((1, 6000), math.nan), torch.ones(1, 6000, dtype=torch.bool))
    assert slices.interval_95() is None
