"""The verdict: is the mean of one loss lower than that of another, on the same rows?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqkit.training.bootstrap import block_bootstrap_means

Verdict = Literal["beats", "ties", "loses"]
RESAMPLES = 2000


@dataclass(frozen=True)
class Comparison:
    """Losses of a model compared with those of another forecast, on the same dates."""

    model: float
    other: float
    """Mean losses."""
    difference_interval_95: tuple[float, float]
    """Interval of the mean difference, model minus other; the verdict follows from it."""
    ratio_interval_95: tuple[float, float]
    """Interval of the ratio of the means; infinite if the other forecast is exact."""

    @property
    def ratio(self) -> float:
        """The model's mean loss divided by the other's; infinite if the other forecast is exact."""
        return self.model / self.other if self.other else math.inf

    @property
    def verdict(self) -> Verdict:
        """`beats` if the whole interval is below 0, `loses` if it is above 0, else `ties`."""
        low, high = self.difference_interval_95
        return "beats" if high < 0 else "loses" if low > 0 else "ties"

    def as_dict(self) -> dict[str, Any]:
        """Plain values; None for infinite ones, which JSON does not have."""
        exact = not self.other
        return {
            "model": self.model,
            "other": self.other,
            "difference_interval_95": list(self.difference_interval_95),
            "ratio": None if exact else self.ratio,
            "ratio_interval_95": None if exact else list(self.ratio_interval_95),
            "verdict": self.verdict,
        }


def compare(
    model: NDArray[np.float64], other: NDArray[np.float64], dates: NDArray[np.datetime64], horizon: int
) -> Comparison:
    """Compare losses row by row, by the moving-block bootstrap.

    Args:
        model: losses of the model, `(rows,)`.
        other: losses of the other forecast, `(rows,)`.
        dates: dates of the rows. Losses of several symbols on one date are averaged first, since their prices
            move together.
        horizon: number of rows ahead.
    """
    both = np.stack([by_date(model, dates), by_date(other, dates)], 1)
    models, others = block_bootstrap_means(both, block_rows(horizon, len(both)), RESAMPLES).T
    model_mean, other_mean = both.mean(0).tolist()
    ratios = (math.inf, math.inf)
    if other_mean:
        ratios = _interval(models[others > 0] / others[others > 0])
    return Comparison(model_mean, other_mean, _interval(models - others), ratios)


def block_rows(horizon: int, rows: int) -> int:
    """Rows of a block: 5, or three horizons, since forecasts from neighbouring origins share rows.

    A block of one horizon would show only two thirds of the variance of their mean.
    """
    return min(max(5, 3 * horizon), rows)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def by_date(values: NDArray[np.float64], dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """The mean of each date, in order."""
    _, places = np.unique(dates, return_inverse=True)
    means: NDArray[np.float64] = np.bincount(places, values) / np.bincount(places)
    return means
