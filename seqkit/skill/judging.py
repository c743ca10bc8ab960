"""The actual values, and the forecasts of a model and of the baselines, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series import PreparedSeries
from seqkit.data.series.dates import SplitName
from seqkit.data.series.preparing import rows_to_judge
from seqkit.errors import NonFiniteError, SourceError
from seqkit.inference.forecast import Forecast, mean_forecast
from seqkit.skill.baselines import make_baselines, mean_changes
from seqkit.skill.choosing import choose_best, deviations
from seqkit.skill.scores import CRPS_LEVELS, crps, normal_quantiles

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Scores of a forecast distribution."""

    crps: Floats
    """CRPS at each origin, `(origins, horizon)`."""
    low: Floats
    high: Floats
    """The ends of the 90 % interval, in log return, `(origins, horizon)`."""
    below: Floats
    """Number of origins whose actual value was not above each quantile at `CRPS_LEVELS`, `(horizon, 100)`."""

    @classmethod
    def of(cls, quantiles: Floats, actual: Floats) -> Spread:
        """Scores of quantiles at `LEVELS`, `(origins, horizon, 102)`."""
        count = len(CRPS_LEVELS)
        scored = quantiles[..., :count]
        below = (actual[..., None] <= scored).sum(0).astype(np.float64)
        return cls(crps(scored, actual), quantiles[..., count], quantiles[..., count + 1], below)

    @classmethod
    def joined(cls, parts: Sequence[Spread]) -> Spread:
        """Scores for the origins of all parts, in order."""
        crps, low, high = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("crps", "low", "high")
        )
        return cls(crps, low, high, np.sum([part.below for part in parts], 0))


@dataclass(frozen=True)
class Truth:
    """One symbol's rows of a split, as seen from every origin whose whole horizon is in the split.

    The first origin is the row before the split, which the model has read by then.
    """

    symbol: str
    origins: NDArray[np.intp]
    dates: NDArray[np.datetime64]
    """Date of the first row ahead of each origin, `(origins,)`."""
    prices: Floats
    """Prices at the origins, `(origins,)`."""
    previous: Floats
    """The log return into each origin, `(origins,)`."""
    actual: Floats
    """The log return from the origin to each row ahead, `(origins, horizon)`."""
    points: dict[str, Floats]
    """Forecasts of the baselines by name, each `(origins, horizon)`."""
    best: tuple[str, ...]
    """The best baseline at each horizon, chosen on the rows before the split, `(horizon,)`."""
    spreads: dict[str, Spread]
    """Normal distributions around the best baseline, by the name of their volatility."""

    @property
    def best_point(self) -> Floats:
        """Forecasts of the best baseline, `(origins, horizon)`."""
        return np.stack([self.points[name][:, ahead] for ahead, name in enumerate(self.best)], 1)


@dataclass(frozen=True)
class Judged:
    """Forecasts of one symbol by the seeds of a model."""

    locations: Floats
    """Forecast of each seed, `(seeds, origins, horizon)`."""
    spread: Spread | None
    """Scores of the mean forecast of the seeds; None if the head has no interval."""


def make_truth(data: PreparedSeries, symbol: int, split: SplitName, horizon: int) -> Truth:
    """The actual values of a split of one symbol, with its baselines; the best is chosen on earlier rows.

    Raises:
        SourceError: the split has too few rows, or its price never changes.
    """
    rows = data.symbols[symbol]
    inside = np.flatnonzero(data.predicted(rows, split))
    if len(inside) < rows_to_judge(horizon):
        raise SourceError(
            f"{rows.name}: the {split} split has {len(inside)} rows, but to judge a horizon of {horizon}, "
            f"{rows_to_judge(horizon)} are needed.\n"
            f"  Validation begins at {data.scaler.cuts.validation_from}, the test at "
            f"{data.scaler.cuts.test_from}. Use a file with more rows, or leave the symbol out."
        )
    origins = rows.first + inside[: len(inside) - horizon + 1]
    scale = data.scaler.symbols[rows.name]
    log_prices = rows.log_prices
    actual = log_prices[origins[:, None] + np.arange(1, horizon + 1)] - log_prices[origins, None]
    if not actual.any(0).all():
        raise SourceError(
            f"{rows.name}: the price never changes in the {split} split, so there is nothing to judge.\n"
            "  Leave the symbol out, or use a file in which its price changes."
        )
    known = int(origins[0]) + 1
    earlier = make_baselines(rows, mean_changes(log_prices, np.arange(len(rows)) - 1), known)
    best = choose_best(earlier, log_prices[:known], horizon, scale.return_scale)
    baselines = make_baselines(rows, np.full(len(rows), scale.mean_return), known)
    found = {name: baseline(horizon, origins) for name, baseline in baselines.items()}
    # If no earlier row is at the same place in the cycle, the last value is used.
    points = {name: np.where(np.isnan(point), 0.0, point) for name, point in found.items()}
    location = np.stack([points[name][:, ahead] for ahead, name in enumerate(best.names)], 1)
    spreads = {
        name: Spread.of(normal_quantiles(location, deviation), actual)
        for name, deviation in deviations(best, baselines, log_prices, origins).items()
    }
    return Truth(
        symbol=rows.name,
        origins=origins,
        dates=rows.dates[origins + 1],
        prices=np.exp(log_prices[origins]),
        previous=log_prices[origins] - log_prices[origins - 1],
        actual=actual,
        points=points,
        best=best.names,
        spreads=spreads,
    )


def judge(truth: Truth, forecasts: Iterable[Sequence[Forecast]]) -> Judged:
    """Score the mean forecast of the seeds; the quantiles are not kept.

    Args:
        truth: the actual values of one symbol.
        forecasts: for each block of its origins, in order, the forecast of every seed.
    Raises:
        NonFiniteError: a forecast is not a number.
    """
    locations, spreads, at = [], [], 0
    for seeds in forecasts:
        mean = mean_forecast(seeds)
        actual = truth.actual[at : at + len(mean.origins)]
        at += len(mean.origins)
        if not np.isfinite(mean.location).all():
            raise NonFiniteError(
                f"a forecast of {truth.symbol} is not a finite number: the model's state has overflowed.\n"
                "  Train again with a lower learning rate (train.learning_rate)."
            )
        locations.append(np.stack([forecast.location for forecast in seeds]))
        if mean.quantiles is not None:
            spreads.append(Spread.of(mean.quantiles, actual))
    return Judged(np.concatenate(locations, 1), Spread.joined(spreads) if spreads else None)


@dataclass(frozen=True)
class Pooled:
    """The rows of all symbols, one symbol after the other, and the forecasts of the seeds."""

    dates: NDArray[np.datetime64]
    """Date of each row, `(rows,)`."""
    previous: Floats
    actual: Floats
    """The actual log returns, `(rows, horizon)`."""
    locations: Floats
    """Forecast of each seed, `(seeds, rows, horizon)`."""
    points: dict[str, Floats]
    """The baselines that all symbols have, and `each`, the best of each symbol; all `(rows, horizon)`."""
    best: tuple[str, ...]
    """The best baseline at each horizon; `each` if the symbols have different ones."""
    spread: Spread | None
    """Scores of the mean forecast; None if the head has no interval."""
    normals: dict[str, Spread]

    @property
    def location(self) -> Floats:
        """The mean forecast of the seeds, `(rows, horizon)`."""
        return np.asarray(self.locations.mean(0))

    @property
    def errors(self) -> Floats:
        """Absolute errors of the mean forecast, `(rows, horizon)`."""
        return np.abs(self.location - self.actual)


def pool(truths: Sequence[Truth], judged: Sequence[Judged]) -> Pooled:
    """Concatenate the symbols.

    Args:
        truths: the actual values of one symbol or of several.
        judged: the forecasts of the seeds for each symbol.
    """
    spreads = [one.spread for one in judged if one.spread is not None]
    shared = [name for name in truths[0].points if all(name in truth.points for truth in truths)]
    chosen = [set(names) for names in zip(*(truth.best for truth in truths), strict=True)]
    return Pooled(
        dates=np.concatenate([truth.dates for truth in truths]),
        previous=np.concatenate([truth.previous for truth in truths]),
        actual=np.concatenate([truth.actual for truth in truths]),
        locations=np.concatenate([one.locations for one in judged], 1),
        points={
            **{name: np.concatenate([truth.points[name] for truth in truths]) for name in shared},
            "each": np.concatenate([truth.best_point for truth in truths]),
        },
        best=tuple(names.pop() if len(names) == 1 else "each" for names in chosen),
        spread=Spread.joined(spreads) if spreads else None,
        normals={
            name: Spread.joined([truth.spreads[name] for truth in truths]) for name in truths[0].spreads
        },
    )
