"""Prediction targets: the log return of the next row, or its price."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALLEST_SHARE = 1e-6
"""Minimum share of the last price: a forecast of the price can be negative, and is raised to this share."""


class Target(ABC):
    """Converts between log prices and the value that the model predicts for the next row."""

    is_centred: bool
    """Whether the mean is subtracted for the model. A return keeps its zero, which is the flat forecast."""

    @abstractmethod
    def of(self, log_prices: Floats) -> Floats:
        """The target value of every row, `(..., rows)`; NaN if it needs a row before and there is none."""

    @abstractmethod
    def returns(self, values: Floats, log_prices: Floats) -> Floats:
        """The log returns from the last log prices to predicted values; the shapes broadcast."""


class ReturnTarget(Target):
    """The log return, log p(t + 1) - log p(t)."""

    is_centred = False

    def of(self, log_prices: Floats) -> Floats:
        """The log return from the row before to each row."""
        return np.diff(log_prices, prepend=np.nan)

    def returns(self, values: Floats, log_prices: Floats) -> Floats:
        """The values, which are returns already."""
        return values


class PriceTarget(Target):
    """The price itself. The prices in a test split hardly ever occur in training."""

    is_centred = True

    def of(self, log_prices: Floats) -> Floats:
        """The price of each row."""
        return np.exp(log_prices)

    def returns(self, values: Floats, log_prices: Floats) -> Floats:
        """The log return from the last price to the predicted one."""
        share = np.maximum(values / np.exp(log_prices), SMALLEST_SHARE)
        returns: Floats = np.log(share)
        return returns


TARGETS: dict[str, Target] = {"return": ReturnTarget(), "price": PriceTarget()}
