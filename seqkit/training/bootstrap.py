"""Intervals for the mean of a sequence whose neighbouring values depend on each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqkit.errors import OutOfRangeError

DRAWS = 1 << 20
"""Blocks that are drawn at once, which limits the memory."""


def block_bootstrap_mean(
    values: ArrayLike, block: int, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """An interval for the mean of a stationary sequence, by the moving-block bootstrap.

    A resample is made of blocks of consecutive values, each drawn from all possible ones, until it is as
    long as the sequence: within a block, neighbours depend on each other as they do in the data. The
    interval is between percentiles of the means of the resamples.

    Args:
        values: the sequence, 1-D, in order.
        block: values per block: longer than the dependence reaches, and much shorter than the sequence.
        resamples: number of resamples.
        seed: seed of the draws.
        level: share of the resamples that the interval contains.
    Returns:
        Its two ends.
    Raises:
        OutOfRangeError: there are no values, or the block is longer than the sequence.

    Example:
        >>> low, high = block_bootstrap_mean([1.0, 2.0, 3.0, 4.0] * 50, block=4)
        >>> low <= 2.5 <= high
        True

    Source: Künsch (1989), "The jackknife and the bootstrap for general stationary observations".
    """
    means = block_bootstrap_means(np.asarray(values, dtype=np.float64)[:, None], block, resamples, seed)
    low, high = np.quantile(means[:, 0], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def block_bootstrap_means(
    columns: NDArray[np.float64], block: int, resamples: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """The means of columns in each resample of their rows, `(rows, k)` to `(resamples, k)`.

    All columns use the same resamples, so that a function of several means has an interval as well.
    """
    size = len(columns)
    if not 1 <= block <= size:
        raise OutOfRangeError(
            f"a block must have from 1 to {size} values (the length of the sequence); got {block}."
        )
    sums = np.concatenate([np.zeros((1, columns.shape[1])), columns.cumsum(0)])
    starts = size - block + 1
    whole, rest = divmod(size, block)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, columns.shape[1]))
    at_once = max(1, DRAWS // (whole + 1))
    for first in range(0, resamples, at_once):
        count = min(at_once, resamples - first)
        drawn = generator.integers(starts, size=(count, whole))
        total = (sums[drawn + block] - sums[drawn]).sum(1)
        drawn = generator.integers(starts, size=count)  # the last block is cut to the length of the sequence
        means[first : first + count] = (total + sums[drawn + rest] - sums[drawn]) / size
    return means
