"""Baselines: forecasts without a model, in log returns.

Each reads what the model reads: the rows up to the origin, and constants of the training rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series import SymbolRows
from seqkit.skill.seasons import same_places

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Baseline: TypeAlias = Callable[[int, Rows], Floats]
"""Function of a horizon and origins that returns log returns from each origin, `(origins, horizon)`."""

MOVING_AVERAGES = {"moving_average_5": 5, "moving_average": 20, "moving_average_60": 60}
"""Number of rows of each moving average, by name."""
FEWEST_CHANGES = 8
"""Smallest number of changes that a drift is computed from."""
WITH_DRIFT = "_with_drift"
"""Suffix of the name of a cycle's baseline to which the mean growth per cycle is added."""
EWMA_DECAY = 0.94
"""Source: J.P. Morgan and Reuters (1996), "RiskMetrics technical document", for daily returns."""


def make_baselines(rows: SymbolRows, mean_steps: Floats, known: int) -> dict[str, Baseline]:
    """All baselines of a symbol by name, `naive` first.

    Args:
        rows: the rows of the symbol.
        mean_steps: the mean log return as known at each row, `(rows,)`.
        known: number of rows, from the first, whose dates decide which cycles there are.
    """
    prices = rows.log_prices
    found: dict[str, Baseline] = {"naive": naive, "drift": partial(drift, mean_steps=mean_steps)}
    for name, count in MOVING_AVERAGES.items():
        found[name] = partial(moving_average, log_prices=prices, rows=count)
    for name, previous in same_places(rows.dates, known).items():
        place = partial(seasonal, log_prices=prices, previous=previous)
        growth = mean_changes(prices, previous)
        found |= {name: place, name + WITH_DRIFT: partial(place, growth=growth)}
    return found


def mean_changes(log_prices: Floats, previous: Rows) -> Floats:
    """The mean change from an earlier row, over all rows up to each row, `(rows,)`; NaN before there are 8.

    Args:
        log_prices: `(rows,)`.
        previous: index of the earlier row of each row, -1 if there is none, `(rows,)`.
    """
    there = previous >= 0
    changes, counts = np.where(there, log_prices - log_prices[previous], 0.0).cumsum(), there.cumsum()
    means: Floats = np.where(counts < FEWEST_CHANGES, np.nan, changes / np.maximum(counts, 1))
    return means


def label(name: str) -> str:
    """Name of a baseline for a reader: `"last value"`, `"same month a year ago"`."""
    if name in MOVING_AVERAGES:
        return f"mean of {MOVING_AVERAGES[name]} rows"
    return {"naive": "last value", "each": "best of each symbol"}.get(name, name.replace("_", " "))


def phrase(name: str) -> str:
    """Name of a baseline within a sentence: `"the last value"`."""
    if name == "each":
        return "the best baseline of each symbol"
    return "drift" if name == "drift" else f"the {label(name)}"


def naive(horizon: int, origins: Rows) -> Floats:
    """The last value: the price stays the same, `(origins, horizon)`."""
    return np.zeros((len(origins), horizon))


def drift(horizon: int, origins: Rows, mean_steps: Floats) -> Floats:
    """The price changes by the mean step in each row, `(origins, horizon)`."""
    steps: Floats = mean_steps[origins][:, None] * np.arange(1, horizon + 1)
    return steps


def moving_average(horizon: int, origins: Rows, log_prices: Floats, rows: int = 20) -> Floats:
    """The price returns to the mean of the last rows, `(origins, horizon)`."""
    sums = np.concatenate([[0.0], log_prices.cumsum()])
    there = np.minimum(origins + 1, rows)
    means = (sums[origins + 1] - sums[origins + 1 - there]) / there
    return np.tile((means - log_prices[origins])[:, None], (1, horizon))


def seasonal(
    horizon: int, origins: Rows, log_prices: Floats, previous: Rows, growth: Floats | None = None
) -> Floats:
    """The price returns to that at the same place in the cycle, `(origins, horizon)`.

    Args:
        horizon: number of rows ahead. The dates of these rows are taken as known.
        origins: rows after which the forecasts are made.
        log_prices: log prices of all rows.
        previous: see `same_places`.
        growth: see `mean_changes`; it is added for each cycle.
    Returns:
        The log returns; NaN if no row up to the origin is at that place.
    """
    earlier, cycles = previous[origins[:, None] + np.arange(1, horizon + 1)], np.ones((len(origins), horizon))
    while (late := earlier > origins[:, None]).any():
        earlier[late] = previous[earlier[late]]
        cycles += late
    found: Floats = np.where(earlier >= 0, log_prices[earlier] - log_prices[origins, None], np.nan)
    return found if growth is None else found + growth[origins, None] * cycles


def ewma_volatility(errors: Floats, scale: float) -> Floats:
    """The standard deviation by an exponentially weighted mean of squared errors one row ahead.

    Args:
        errors: error of the forecast made after each row, `(rows,)`; NaN if there was no forecast.
        scale: the deviation before the first error.
    Returns:
        The deviation after each row, from the errors that are known by then, `(rows + 1,)`.
    """
    variance, found = scale**2, np.empty(len(errors) + 1)
    found[0] = variance
    for row, square in enumerate((errors**2).tolist(), start=1):
        if not math.isnan(square):
            variance = EWMA_DECAY * variance + (1 - EWMA_DECAY) * square
        found[row] = variance
    return np.sqrt(found)
