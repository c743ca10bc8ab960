"""The best baseline, and the scale of its errors, chosen on rows before those that are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series.preparing import MIN_JUDGED
from seqkit.skill.baselines import Baseline, ewma_volatility

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Best:
    """The best baseline at each horizon, and the size of its errors."""

    names: tuple[str, ...]
    """Name of the best baseline at each horizon, `(horizon,)`."""
    scales: Floats
    """The root mean square of its errors at each horizon, `(horizon,)`."""
    one_row: Floats
    """The root mean square of its errors one row ahead, `(horizon,)`."""


def choose_best(
    baselines: Mapping[str, Baseline], log_prices: Floats, horizon: int, return_scale: float
) -> Best:
    """The baselines with the lowest mean absolute error on rows before those that are judged.

    Only rows for which every baseline has a forecast count. If there are fewer than 20, the result is the
    last value, with the volatility of the training rows.

    Args:
        baselines: baselines by name, with a drift of the rows up to each origin (see `mean_changes`). The
            drift of the training rows would be compared on the rows that it was computed from.
        log_prices: log prices of all rows before the judged ones, `(rows,)`.
        horizon: number of rows ahead.
        return_scale: the root mean square of the training rows' log returns.
    """
    origins = np.arange(len(log_prices) - horizon)
    errors = {name: errors_of(one, log_prices, horizon, origins) for name, one in baselines.items()}
    there = np.all([np.isfinite(found).all(1) for found in errors.values()], 0)
    if there.sum() < MIN_JUDGED:
        scales = return_scale * np.sqrt(np.arange(1, horizon + 1))
        return Best(("naive",) * horizon, scales, np.full(horizon, return_scale))
    means = {name: np.abs(found[there]).mean(0) for name, found in errors.items()}
    names = tuple(min(means, key=lambda name: float(means[name][ahead])) for ahead in range(horizon))
    squares = [np.nanmean(errors[name] ** 2, 0) for name in names]  # by the horizon of the choice
    return Best(
        names,
        np.sqrt([square[ahead] for ahead, square in enumerate(squares)]),
        np.sqrt([square[0] for square in squares]),
    )


def errors_of(baseline: Baseline, log_prices: Floats, horizon: int, origins: Rows) -> Floats:
    """A baseline minus the actual log return, `(origins, horizon)`."""
    actual = log_prices[origins[:, None] + np.arange(1, horizon + 1)] - log_prices[origins, None]
    errors: Floats = baseline(horizon, origins) - actual
    return errors


def deviations(
    best: Best, baselines: Mapping[str, Baseline], log_prices: Floats, origins: Rows
) -> dict[str, Floats]:
    """Standard deviations around the best baseline, by name, each `(origins, horizon)`.

    `constant` is the scale of the earlier rows. `ewma` multiplies it by a factor at each origin: the
    exponentially weighted error one row ahead, over its scale.
    """
    shape = len(origins), len(best.names)
    ewma = np.empty(shape)
    for ahead, (name, scale, one_row) in enumerate(zip(best.names, best.scales, best.one_row, strict=True)):
        errors = errors_of(baselines[name], log_prices, 1, np.arange(origins[-1]))[:, 0]
        ewma[:, ahead] = ewma_volatility(errors, one_row)[origins] * (scale / one_row if one_row else 1.0)
    return {"constant": np.broadcast_to(best.scales, shape), "ewma": ewma}
