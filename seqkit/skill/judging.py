"""What came, what each seed's model said of it, and what the baselines said, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series import PreparedSeries
from seqkit.data.series.dates import SplitName
from seqkit.data.series.preparing import rows_to_judge
from seqkit.errors import NonFiniteError, SourceError
from seqkit.inference.forecast import Forecast
from seqkit.skill import baselines
from seqkit.skill.scores import CRPS_LEVELS, crps, normal_quantiles

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """What a distribution was worth."""

    crps: Floats
    """At each origin, `(origins, horizon)`."""
    low: Floats
    high: Floats
    """The ends of the 90 % interval, in log return, `(origins, horizon)`."""
    below: Floats
    """At how many origins what came lay below the quantiles at `CRPS_LEVELS`, `(horizon, 100)`."""

    @classmethod
    def of(cls, quantiles: Floats, actual: Floats) -> Spread:
        """From quantiles at `LEVELS`, `(origins, horizon, 102)`."""
        count = len(CRPS_LEVELS)
        scored = quantiles[..., :count]
        below = (actual[..., None] <= scored).sum(0).astype(np.float64)
        return cls(crps(scored, actual), quantiles[..., count], quantiles[..., count + 1], below)

    @classmethod
    def joined(cls, parts: Sequence[Spread]) -> Spread:
        """Of the origins of all parts, in order."""
        crps, low, high = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("crps", "low", "high")
        )
        return cls(crps, low, high, np.sum([part.below for part in parts], 0))


@dataclass(frozen=True)
class Truth:
    """One symbol's rows of a split, seen from every origin whose whole horizon lies in it.

    The first origin is the row before the split, which has been read by then.
    """

    symbol: str
    origins: NDArray[np.intp]
    dates: NDArray[np.datetime64]
    """Of the first row ahead of each origin, `(origins,)`."""
    prices: Floats
    """At the origins."""
    previous: Floats
    """The log return into each origin, `(origins,)`."""
    actual: Floats
    """The log return from the origin to each row ahead, `(origins, horizon)`."""
    points: dict[str, Floats]
    """Naive forecasts by name, each `(origins, horizon)`."""
    spreads: dict[str, Spread]
    """Normal distributions around 0 by the name of their volatility."""


@dataclass(frozen=True)
class Judged:
    """What one model said of one symbol."""

    location: Floats
    """`(origins, horizon)`."""
    spread: Spread | None
    """None where the head has no interval."""


def make_truth(data: PreparedSeries, symbol: int, split: SplitName, horizon: int) -> Truth:
    """What came in a split of one symbol, with its baselines.

    Raises:
        SourceError: the split has too few rows, or no move.
    """
    rows = data.symbols[symbol]
    inside = np.flatnonzero(data.predicted(rows, split))
    if len(inside) < rows_to_judge(horizon):
        raise SourceError(
            f"{rows.name}: the {split} split has {len(inside)} rows, and to judge a horizon of {horizon}, "
            f"{rows_to_judge(horizon)} are needed.\n"
            f"  Validation begins at {data.scaler.cuts.validation_from}, the test at "
            f"{data.scaler.cuts.test_from}; give a file with more rows, or leave the symbol out."
        )
    origins = rows.first + inside[: len(inside) - horizon + 1]
    scale = data.scaler.symbols[rows.name]
    log_prices = rows.log_prices
    actual = log_prices[origins[:, None] + np.arange(1, horizon + 1)] - log_prices[origins, None]
    if not actual.any(0).all():
        raise SourceError(
            f"{rows.name}: the price never moves in the {split} split; there is nothing to judge."
        )
    deviations = {
        "constant": baselines.constant_volatility(horizon, origins, scale.return_scale),
        "ewma": baselines.ewma_volatility(horizon, origins, log_prices, scale.return_scale),
    }
    return Truth(
        symbol=rows.name,
        origins=origins,
        dates=rows.dates[origins + 1],
        prices=np.exp(log_prices[origins]),
        previous=log_prices[origins] - log_prices[origins - 1],
        actual=actual,
        points={
            "naive": baselines.naive(horizon, origins),
            "drift": baselines.drift(horizon, origins, scale.mean_return),
            "moving_average": baselines.moving_average(horizon, origins, log_prices),
        },
        spreads={
            name: Spread.of(normal_quantiles(deviation), actual) for name, deviation in deviations.items()
        },
    )


def judge(truth: Truth, forecasts: Iterable[Forecast]) -> Judged:
    """Forecasts from the origins of a truth, block by block: only what they are worth is kept."""
    locations, spreads, at = [], [], 0
    for forecast in forecasts:
        actual = truth.actual[at : at + len(forecast.origins)]
        at += len(forecast.origins)
        if not np.isfinite(forecast.location).all():
            raise NonFiniteError(
                f"a forecast of {truth.symbol} is not a number: the model's state has overflowed."
            )
        locations.append(forecast.location)
        if forecast.quantiles is not None:
            spreads.append(Spread.of(forecast.quantiles, actual))
    return Judged(np.concatenate(locations), Spread.joined(spreads) if spreads else None)


@dataclass(frozen=True)
class Pooled:
    """The rows of all symbols, one symbol after the other, and what each seed's model said of them."""

    dates: NDArray[np.datetime64]
    """`(rows,)`."""
    previous: Floats
    actual: Floats
    """`(rows, horizon)`."""
    locations: Floats
    """`(seeds, rows, horizon)`."""
    points: dict[str, Floats]
    """Naive forecasts by name, each `(rows, horizon)`."""
    spreads: tuple[Spread, ...]
    """Of each seed; none where the head has no interval."""
    normals: dict[str, Spread]

    @property
    def errors(self) -> Floats:
        """Absolute ones, `(seeds, rows, horizon)`."""
        return np.abs(self.locations - self.actual)

    @property
    def crps(self) -> Floats:
        """Averaged over the seeds, `(rows, horizon)`."""
        return np.asarray(np.mean([spread.crps for spread in self.spreads], 0))


def pool(truths: Sequence[Truth], judged: Sequence[Sequence[Judged]]) -> Pooled:
    """Put the symbols below each other.

    Args:
        truths: of one symbol or of several.
        judged: for each seed, what its model said of each of them.
    """
    spreads = [[one.spread for one in seed if one.spread is not None] for seed in judged]
    whole = all(len(seed) == len(truths) for seed in spreads)
    return Pooled(
        dates=np.concatenate([truth.dates for truth in truths]),
        previous=np.concatenate([truth.previous for truth in truths]),
        actual=np.concatenate([truth.actual for truth in truths]),
        locations=np.stack([np.concatenate([one.location for one in seed]) for seed in judged]),
        points={name: np.concatenate([truth.points[name] for truth in truths]) for name in truths[0].points},
        spreads=tuple(Spread.joined(seed) for seed in spreads) if whole else (),
        normals={
            name: Spread.joined([truth.spreads[name] for truth in truths]) for name in truths[0].spreads
        },
    )
