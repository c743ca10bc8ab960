"""The verdict: is the mean of one loss lower than that of another, on the same rows?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqkit.training.bootstrap import block_bootstrap_mean

Verdict = Literal["beats", "ties", "loses"]
RESAMPLES = 2000


@dataclass(frozen=True)
class Comparison:
    """Losses of a model against those of another forecast, on the same dates."""

    model: float
    other: float
    """Mean losses."""
    difference_interval_95: tuple[float, float]
    """Of the mean difference, model minus other."""

    @property
    def ratio(self) -> float:
        """The model's mean loss over the other's."""
        return self.model / self.other if self.other else float("nan")

    @property
    def ratio_interval_95(self) -> tuple[float, float]:
        """The interval of the difference as a share of the other's mean loss, around 1."""
        low, high = self.difference_interval_95
        return (1 + low / self.other, 1 + high / self.other) if self.other else (float("nan"),) * 2

    @property
    def verdict(self) -> Verdict:
        """`beats` where the whole interval lies below 0, `loses` where it lies above, else `ties`."""
        low, high = self.difference_interval_95
        return "beats" if high < 0 else "loses" if low > 0 else "ties"

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **asdict(self),
            "difference_interval_95": list(self.difference_interval_95),
            "ratio": self.ratio,
            "ratio_interval_95": list(self.ratio_interval_95),
            "verdict": self.verdict,
        }


def compare(
    model: NDArray[np.float64], other: NDArray[np.float64], dates: NDArray[np.datetime64], horizon: int
) -> Comparison:
    """Compare losses row by row, by the moving-block bootstrap.

    Args:
        model: its losses, averaged over seeds, `(rows,)`.
        other: those of the other forecast.
        dates: of the rows: those of one date, of several symbols, are averaged first, for they move together.
        horizon: rows ahead; forecasts from neighbouring origins share rows, so a block is at least as long.
    """
    model, other = by_date(model, dates), by_date(other, dates)
    block = min(max(5, horizon), len(model))
    interval = block_bootstrap_mean(model - other, block, resamples=RESAMPLES)
    return Comparison(float(model.mean()), float(other.mean()), interval)


def by_date(values: NDArray[np.float64], dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """The mean of each date, in order."""
    _, places = np.unique(dates, return_inverse=True)
    means: NDArray[np.float64] = np.bincount(places, values) / np.bincount(places)
    return means
