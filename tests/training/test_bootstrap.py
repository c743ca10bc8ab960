import numpy as np
import pytest

from seqkit.errors import OutOfRangeError
from seqkit.training import bootstrap
from seqkit.training.bootstrap import block_bootstrap_mean


def test_for_independent_values_it_is_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(5, 2, size=2000)
    low, high = block_bootstrap_mean(values, 1, resamples=4000)
    half = 1.96 * values.std() / 2000**0.5
    assert (low, high) == (
        pytest.approx(values.mean() - half, abs=0.01),
        pytest.approx(values.mean() + half, abs=0.01),
    )
    inner = block_bootstrap_mean(values, 1, resamples=4000, level=0.5)
    assert inner[1] - inner[0] == pytest.approx(2 * 0.6745 * values.std() / 2000**0.5, rel=0.1)


def test_blocks_cover_the_mean_where_neighbours_depend_on_each_other() -> None:
    """An autoregression with 0.8: its true mean is 0, and an interval from single values is too narrow."""
    generator = np.random.default_rng(2)
    hits = {1: 0, 50: 0}
    for seed in range(60):
        noise = generator.normal(size=2000)
        values = np.zeros(2000)
        for step in range(1, 2000):
            values[step] = 0.8 * values[step - 1] + noise[step]
        for block in hits:
            low, high = block_bootstrap_mean(values, block, resamples=200, seed=seed)
            hits[block] += low <= 0 <= high
    assert hits[50] >= 50
    assert hits[1] <= 40


def test_a_resample_is_as_long_as_the_sequence() -> None:
    """With one block, the whole sequence, every resample equals it; so does that of a single value."""
    assert block_bootstrap_mean([1.0, 2.0, 6.0], 3) == (3.0, 3.0)
    assert block_bootstrap_mean([4.0] * 7, 3) == (4.0, 4.0)  # two blocks and a part of one
    assert block_bootstrap_mean([2.5], 1) == (2.5, 2.5)


def test_the_seed_repeats_it_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(50.0)
    found = block_bootstrap_mean(values, 7, seed=3)
    assert block_bootstrap_mean(values, 7, seed=3) == found
    assert block_bootstrap_mean(values, 7, seed=4) != found
    monkeypatch.setattr(bootstrap, "DRAWS", 20)
    low, high = block_bootstrap_mean(values, 7, seed=3)
    assert low == pytest.approx(found[0], abs=1.5)
    assert high == pytest.approx(found[1], abs=1.5)


def test_a_block_has_to_fit() -> None:
    for values, block in (([], 1), ([1.0, 2.0], 0), ([1.0, 2.0], 3)):
        with pytest.raises(OutOfRangeError, match=f"from 1 to {len(values)} values.*got {block}"):
            block_bootstrap_mean(values, block)
