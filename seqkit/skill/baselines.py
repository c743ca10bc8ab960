"""What costs nothing: forecasts and distributions that no model is needed for, in log returns.

Each sees what the model sees: the rows up to the origin, and constants of the training rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOVING_AVERAGE_ROWS = 20
EWMA_DECAY = 0.94
"""Source: J.P. Morgan and Reuters (1996), "RiskMetrics technical document", for daily returns."""


def naive(horizon: int, origins: NDArray[np.intp]) -> Floats:
    """The last value: the price stays, `(origins, horizon)`."""
    return np.zeros((len(origins), horizon))


def drift(horizon: int, origins: NDArray[np.intp], mean_return: float) -> Floats:
    """The price goes on as it went on average in training, `(origins, horizon)`."""
    return np.tile(mean_return * np.arange(1, horizon + 1), (len(origins), 1))


def moving_average(horizon: int, origins: NDArray[np.intp], log_prices: Floats) -> Floats:
    """The price returns to the mean of the last 20 rows, `(origins, horizon)`."""
    sums = np.concatenate([[0.0], log_prices.cumsum()])
    rows = np.minimum(origins + 1, MOVING_AVERAGE_ROWS)
    means = (sums[origins + 1] - sums[origins + 1 - rows]) / rows
    return np.tile((means - log_prices[origins])[:, None], (1, horizon))


def constant_volatility(horizon: int, origins: NDArray[np.intp], return_scale: float) -> Floats:
    """The root mean square of the training rows' returns, `(origins, horizon)`."""
    return np.tile(return_scale * np.sqrt(np.arange(1, horizon + 1)), (len(origins), 1))


def ewma_volatility(
    horizon: int, origins: NDArray[np.intp], log_prices: Floats, return_scale: float
) -> Floats:
    """The standard deviation by an exponentially weighted mean of squared returns, `(origins, horizon)`."""
    squares = np.diff(log_prices) ** 2
    variance, found = return_scale**2, np.empty(len(log_prices))
    found[0] = variance
    for row, square in enumerate(squares.tolist(), start=1):
        variance = EWMA_DECAY * variance + (1 - EWMA_DECAY) * square
        found[row] = variance
    deviation: Floats = np.sqrt(found[origins][:, None] * np.arange(1, horizon + 1))
    return deviation
