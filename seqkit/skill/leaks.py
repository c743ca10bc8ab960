"""The leak check: nothing before a date may depend on the rows from that date on.

Every row from the date on is replaced by noise, and everything except the model is computed again. The inputs
and targets of training, the scaler, and every forecast before that date must stay the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series import PreparedSeries
from seqkit.inference.forecast import forecast_blocks
from seqkit.model import SequenceModel
from seqkit.sources.base import Series

Prepare = Callable[[Sequence[Series]], PreparedSeries]

LATER_CUTS = 3
"""Number of dates within the test split before which forecasts may not change either."""
LEVELS = (0.05, 0.5, 0.95)
PATH_ORIGINS = 20


@dataclass(frozen=True)
class Leak:
    """Something that changed when later rows were replaced."""

    what: str
    replaced_from: str
    """First date of the rows that were replaced."""

    def __str__(self) -> str:
        return f"{self.what} changed when the rows from {self.replaced_from} on were replaced"


@dataclass(frozen=True)
class LeakCheck:
    """Result of the leak check."""

    compared: int
    """Number of arrays and numbers that were compared bit for bit."""
    replaced_from: tuple[str, ...]
    leaks: tuple[Leak, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing leaked."""
        return not self.leaks


def check_leaks(
    series: Sequence[Series], prepare: Prepare, model: SequenceModel, *, horizon: int = 1, seed: int = 0
) -> LeakCheck:
    """Replace later rows, and compare everything before them.

    Args:
        series: the series of the source.
        prepare: function from series to rows, splits and scaler, as before training.
        model: a trained or untrained model; it forecasts with the original and with the replaced rows.
        horizon: number of rows ahead.
        seed: seed of the noise and of the sampling of forecasts.
    """
    before = prepare(series)
    cuts = before.scaler.cuts
    test_dates = np.unique(np.concatenate([rows.target_dates for rows in before.symbols]))
    test_dates = test_dates[test_dates >= cuts.test_from]
    if len(test_dates):
        test_dates = test_dates[np.linspace(0, len(test_dates) - 1, LATER_CUTS + 2).astype(int)[1:-1]]
    leaks: list[Leak] = []
    compared = 0
    for date in (cuts.validation_from, cuts.test_from, *test_dates):
        after = prepare([replace_from(one, date, seed) for one in series])
        pairs = {
            "the date where validation begins": (cuts.validation_from, after.scaler.cuts.validation_from),
            "the date where the test begins": (cuts.test_from, after.scaler.cuts.test_from),
            "the scaler": (_numbers(before), _numbers(after)),
            **_training(before, after),
            **_forecasts(before, after, model, date, horizon, seed),
        }
        compared += len(pairs)
        leaks += [Leak(what, str(date)) for what, (old, new) in pairs.items() if not _same(old, new)]
    dates = tuple(str(date) for date in (cuts.validation_from, cuts.test_from, *test_dates))
    return LeakCheck(compared, dates, tuple(leaks))


def replace_from(series: Series, date: np.datetime64, seed: int) -> Series:
    """The series with noise in all columns from a date on; prices and volumes stay positive."""
    generator = np.random.default_rng(seed)
    values = series.values.copy()
    later = series.dates >= date
    usual = np.nanmean(np.where(values > 0, values, np.nan), 0)
    there = values > 0  # a missing number or a 0 is replaced by a number
    values[later] = np.where(there, values, usual)[later] * np.exp(
        generator.normal(0, 0.5, size=(int(later.sum()), values.shape[1]))
    )
    return series._replace(values=values)


def _training(before: PreparedSeries, after: PreparedSeries) -> dict[str, tuple[object, object]]:
    old, new = before.training_stream(), after.training_stream()
    return {
        "the inputs of training": (old.inputs, new.inputs),
        "the targets of training": (old.targets, new.targets),
        "the resets of training": (old.reset, new.reset),
    }


def _forecasts(
    before: PreparedSeries,
    after: PreparedSeries,
    model: SequenceModel,
    date: np.datetime64,
    horizon: int,
    seed: int,
) -> dict[str, tuple[object, object]]:
    """Forecasts from both, from each origin before the date, by symbol.

    All origins are forecast, and those before the date are compared. This finds a model that reads ahead.
    """
    pairs: dict[str, tuple[object, object]] = {}
    for symbol, rows in enumerate(before.symbols):
        origins = np.arange(rows.first, len(rows))
        earlier = int((rows.dates[origins] < date).sum())
        # Paths are slow, and the origins next to the date are nearest to the replaced rows.
        chosen = {1: origins, horizon: origins[max(0, earlier - PATH_ORIGINS) : earlier + 1]}
        for ahead, some in chosen.items():
            compared = int((rows.dates[some] < date).sum())
            if not compared:
                continue
            found = [_forecast(model, data, symbol, some, ahead, seed) for data in (before, after)]
            for name, old, new in zip(("location", "quantiles"), *found, strict=True):
                what = f"the {name} forecast of {rows.name}" + (f", {ahead} rows ahead" if ahead > 1 else "")
                pairs[what] = (old[:compared], new[:compared])
    return pairs


def _forecast(
    model: SequenceModel,
    data: PreparedSeries,
    symbol: int,
    origins: NDArray[np.intp],
    horizon: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and quantiles; for a head without an interval, the location twice."""
    blocks = list(
        forecast_blocks(model, data, symbol, origins, horizon=horizon, levels=LEVELS, paths=20, seed=seed)
    )
    location = np.concatenate([block.location for block in blocks])
    quantiles = [block.quantiles for block in blocks if block.quantiles is not None]
    return location, np.concatenate(quantiles) if quantiles else location


def _numbers(data: PreparedSeries) -> list[object]:
    return [value for scale in data.scaler.symbols.values() for value in vars(scale).values()]


def _same(old: object, new: object) -> bool:
    """Whether both are equal bit for bit."""
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return old.shape == new.shape and old.tobytes() == new.tobytes()
    return old == new
