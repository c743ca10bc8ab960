"""The features that the model reads at each row.

Features of the past need only log prices, so they can be computed for a sampled path as well as for the
file. Features of the file come from its other columns and its dates, and do not exist on a sampled path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from seqkit.errors import SourceError
from seqkit.sources.base import Series

Floats = NDArray[np.float64]

ROWS_AT_ONCE = 1 << 14
"""Windows that are computed together; this bounds the memory."""


@dataclass(frozen=True)
class Features:
    """The chosen features.

    Args:
        price: the log price itself, in addition to its return; a model of the price needs it.
        lags: the return N rows before, for each N.
        sums: the sum of the last N returns, for each N.
        volatilities: the root mean square of the last N returns, for each N.
        volume: the change of the log volume.
        range: the log of high over low.
        calendar: weekday and month of the row, each as a sine and a cosine.
    """

    price: bool = False
    lags: Sequence[int] = ()
    sums: Sequence[int] = ()
    volatilities: Sequence[int] = ()
    volume: bool = False
    range: bool = False
    calendar: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        past = ["return", *(["price"] if self.price else [])]
        past += [f"lag {rows}" for rows in self.lags]
        past += [f"sum {rows}" for rows in self.sums]
        past += [f"volatility {rows}" for rows in self.volatilities]
        object.__setattr__(self, "names", (*past, *self.names_of_the_file))

    @property
    def names_of_the_file(self) -> tuple[str, ...]:
        """The features that do not exist on a sampled path."""
        names = ["volume"] if self.volume else []
        names += ["range"] if self.range else []
        return (*names, *(CALENDAR if self.calendar else ()))

    @property
    def lookback(self) -> int:
        """Number of returns that a row's features reach back, including its own."""
        return max(1, *(lag + 1 for lag in self.lags), *self.sums, *self.volatilities, 1)

    def of_past(self, log_prices: Floats) -> Floats:
        """The features of the past at the last row, `(..., lookback + 1)` to `(..., features)`."""
        returns = np.diff(log_prices)
        columns = [returns[..., -1]]
        columns += [log_prices[..., -1]] if self.price else []
        columns += [returns[..., -1 - lag] for lag in self.lags]
        columns += [returns[..., -rows:].sum(-1) for rows in self.sums]
        columns += [np.sqrt((returns[..., -rows:] ** 2).mean(-1)) for rows in self.volatilities]
        return np.stack(columns, -1)

    def of_series(self, series: Series) -> Floats:
        """All features, `(rows, features)`; NaN if a row's past is too short, or the file has no number.

        Raises:
            SourceError: the source lacks a column.
        """
        log_prices = np.log(series.values[:, 0])
        found = np.full((len(log_prices), len(self.names)), np.nan)
        if len(log_prices) > self.lookback:
            windows = sliding_window_view(log_prices, self.lookback + 1)
            for first in range(0, len(windows), ROWS_AT_ONCE):
                past = self.of_past(windows[first : first + ROWS_AT_ONCE])
                begin = self.lookback + first
                found[begin : begin + len(past), : past.shape[1]] = past
        others = [np.empty((len(log_prices), 0))]
        if self.volume:
            with np.errstate(divide="ignore", invalid="ignore"):
                volume = np.log(_column(series, "volume", "series.volume"))
                volume[np.isinf(volume)] = np.nan  # a row without a trade
                others.append(np.diff(volume, prepend=np.nan)[:, None])
        if self.range:
            with np.errstate(divide="ignore", invalid="ignore"):
                high, low = (_column(series, name, "series.range") for name in ("high", "low"))
                others.append(np.log(high / low)[:, None])
        if self.calendar:
            others.append(calendar(series.dates))
        file = np.concatenate(others, 1)
        file[~np.isfinite(file)] = np.nan
        found[:, len(self.names) - file.shape[1] :] = file
        return found


CALENDAR = ("weekday sine", "weekday cosine", "month sine", "month cosine")


def calendar(dates: NDArray[np.datetime64]) -> Floats:
    """The position of each row in the week and in the year, `(rows, 4)`."""
    days = dates.astype("datetime64[D]")
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    turns = np.stack([weekday / 7, month / 12]) * 2 * np.pi
    return np.stack([np.sin(turns[0]), np.cos(turns[0]), np.sin(turns[1]), np.cos(turns[1])], -1)


def _column(series: Series, name: str, key: str) -> Floats:
    if name not in series.columns:
        raise SourceError(
            f"{series.name} has no column {name!r}, which {key}=true reads; its columns: "
            f"{', '.join(series.columns)}.\n  Leave the feature out: {key}=false."
        )
    return series.values[:, series.columns.index(name)].copy()
