import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data import Lanes, TextCounts, TokenStream, Windows
from seqkit.errors import SourceError

START = 99
sizes = st.tuples(st.integers(1, 300), st.integers(1, 9), st.integers(1, 30))


def read(batches: Windows | Lanes) -> dict[int, int]:
    """Number of times that each target position is counted; the ids are the positions."""
    seen: dict[int, int] = {}
    for batch in batches:
        mask = torch.ones_like(batch.targets, dtype=torch.bool) if batch.mask is None else batch.mask
        for target, before in zip(batch.targets[mask].tolist(), batch.inputs[mask].tolist(), strict=True):
            assert before == (target - 1 if target else START)
            seen[target] = seen.get(target, 0) + 1
    return seen


@settings(max_examples=60)
@given(sizes, st.booleans())
def test_windows_count_every_position_once(size: tuple[int, int, int], shuffle: bool) -> None:
    length, batch_size, seq_len = size
    ids = np.arange(length, dtype=np.uint16)
    windows = Windows(
        TokenStream(ids, start_id=START),
        batch_size=batch_size,
        seq_len=seq_len,
        shuffle_seed=3 if shuffle else None,
    )
    assert read(windows) == dict.fromkeys(range(length), 1)
    assert len(list(windows)) == len(windows) == math.ceil(math.ceil(length / seq_len) / batch_size)
    assert all(batch.inputs.shape[1] == seq_len and batch.reset is None for batch in windows)


@settings(max_examples=60)
@given(sizes)
def test_lanes_count_every_position_once_and_go_on_where_they_were(size: tuple[int, int, int]) -> None:
    length, lanes, seq_len = size
    batches = Lanes(
        TokenStream(np.arange(length, dtype=np.uint16), start_id=START), lanes=lanes, seq_len=seq_len
    )
    assert read(batches) == dict.fromkeys(range(length), 1)
    assert len(list(batches)) == len(batches)
    assert batches.lanes == min(lanes, max(1, length // seq_len))
    last = None
    for step, batch in enumerate(batches):
        assert len(batch.inputs) == batches.lanes
        if step == 0:
            assert batch.reset is not None
            assert batch.reset[:, 0].all()
            assert not batch.reset[:, 1:].any()
        else:
            assert batch.reset is None
            counted = (
                torch.ones(len(batch.inputs), dtype=torch.bool) if batch.mask is None else batch.mask[:, 0]
            )
            assert torch.equal(batch.inputs[counted, 0], last[counted])  # type: ignore[index]
        last = batch.targets[:, -1]


def test_the_order_is_a_function_of_seed_epoch_and_step() -> None:
    ids = np.arange(500, dtype=np.uint16)

    def windows(seed: int) -> Windows:
        return Windows(TokenStream(ids, start_id=START), batch_size=4, seq_len=10, shuffle_seed=seed)

    one, same, other = windows(1), windows(1), windows(2)
    one.set_epoch(3)
    list(one)
    same.set_epoch(3)
    assert torch.equal(one.batch(5).inputs, same.batch(5).inputs)
    other.set_epoch(3)
    assert not torch.equal(one.batch(5).inputs, other.batch(5).inputs)
    same.set_epoch(4)
    assert not torch.equal(one.batch(5).inputs, same.batch(5).inputs)


def test_the_random_stream_of_training_is_not_touched() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    windows = Windows(
        TokenStream(np.arange(500, dtype=np.uint16), start_id=0), batch_size=4, seq_len=10, shuffle_seed=1
    )
    list(windows)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]


def test_the_last_window_is_padded_and_masked() -> None:
    windows = Windows(TokenStream(np.arange(25, dtype=np.uint8), start_id=START), batch_size=2, seq_len=10)
    first, last = windows
    assert first.mask is None
    assert last.mask is not None
    assert last.mask.tolist() == [[True] * 5 + [False] * 5]
    assert last.targets[0, :5].tolist() == [20, 21, 22, 23, 24]


def test_batches_are_time_major_in_memory() -> None:
    batch = Lanes(TokenStream(np.arange(100, dtype=np.uint8), start_id=START), lanes=4, seq_len=10).batch(0)
    assert batch.inputs.dtype == torch.int64
    assert batch.inputs.t().is_contiguous()
    assert batch.targets.t().is_contiguous()


def test_metrics_are_in_bits_of_the_text() -> None:
    counts = TextCounts(tokens=100, characters=300, bytes=400, unknown_characters=2)
    batches = Lanes(
        TokenStream(np.arange(100, dtype=np.uint8), start_id=0, counts=counts), lanes=4, seq_len=10
    )
    metrics = batches.metrics(math.log(8))
    bits = 100 * 3 + 2 * math.log2(1_114_112)
    assert metrics == pytest.approx(
        {"bits_per_char": bits / 300, "bits_per_byte": bits / 400, "perplexity": 8}
    )


def test_no_text_is_an_error() -> None:
    with pytest.raises(SourceError, match="the split has no text"):
        Windows(TokenStream(np.arange(0, dtype=np.uint8), start_id=0), batch_size=1, seq_len=1)
    with pytest.raises(SourceError, match="the split has no text"):
        Lanes(TokenStream(np.arange(0, dtype=np.uint8), start_id=0), lanes=1, seq_len=1)
