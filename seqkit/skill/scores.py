"""Scores of forecast distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CRPS_LEVELS = tuple((np.arange(100) + 0.5) / 100)
INTERVAL_LEVELS = (0.05, 0.95)
LEVELS = (*CRPS_LEVELS, *INTERVAL_LEVELS)
"""The quantiles that a distribution is judged by: 100 for the CRPS, and the ends of the 90 % interval."""


def crps(quantiles: Floats, actual: Floats) -> Floats:
    """The continuous ranked probability score, in the unit of `actual`: twice the mean pinball loss.

    Args:
        quantiles: quantiles at `CRPS_LEVELS`, `(..., 100)`.
        actual: the actual values, `(...)`.

    Source: Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation".
    """
    below = actual[..., None] - quantiles
    levels = np.array(CRPS_LEVELS)
    scores: Floats = 2 * np.maximum(levels * below, (levels - 1) * below).mean(-1)
    return scores


def normal_quantiles(location: Floats, deviation: Floats) -> Floats:
    """Quantiles of normal distributions at `LEVELS`, from `(...)` and `(...)` to `(..., 102)`."""
    from scipy.special import ndtri

    quantiles: Floats = location[..., None] + deviation[..., None] * ndtri(np.array(LEVELS))
    return quantiles


def correlation(first: Floats, second: Floats) -> float | None:
    """Pearson's correlation; None if one of both is constant."""
    first, second = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / spread) if spread > 1e-15 else None
