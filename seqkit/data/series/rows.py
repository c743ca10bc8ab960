"""The rows of a series as a model reads them, before scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series.features import Features
from seqkit.data.series.targets import Target
from seqkit.errors import SourceError
from seqkit.sources.base import Series

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SymbolRows:
    """The rows of one symbol."""

    name: str
    dates: NDArray[np.datetime64]
    """`(rows,)`."""
    log_prices: Floats
    """`(rows,)`."""
    features: Floats
    """`(rows, features)`; NaN before `first`, and for missing numbers of the file."""
    values: Floats
    """The value to predict of each row, `(rows,)`."""
    first: int
    """The first row whose past is long enough for its features; reading starts there."""

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def target_dates(self) -> NDArray[np.datetime64]:
        """Dates of the predicted rows, each predicted from the row before it."""
        return self.dates[self.first + 1 :]


def make_rows(series: Series, features: Features, target: Target) -> SymbolRows:
    """The rows of a series.

    Raises:
        SourceError: a price is not positive, or a column is missing.
    """
    prices = series.values[:, 0]
    good = (prices > 0) & np.isfinite(prices)
    if not good.all():
        row = int(np.argmin(good))
        raise SourceError(
            f"{series.name}: the price of {series.dates[row]} is {prices[row]}; "
            "log returns need positive, finite prices."
        )
    log_prices = np.log(prices)
    first = min(features.lookback, len(prices))
    return SymbolRows(
        series.name, series.dates, log_prices, features.of_series(series), target.of(log_prices), first
    )
