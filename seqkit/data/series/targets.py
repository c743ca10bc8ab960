"""What is predicted: the log return of the next row, or its price."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALLEST_SHARE = 1e-6
"""Of the price before: a forecast of the price itself can be negative, and is taken as that little."""


class Target(ABC):
    """Between log prices and what the model predicts of the next row."""

    is_centred: bool
    """Whether the model sees it minus its mean: a return is left where its zero is the flat forecast."""

    @abstractmethod
    def of(self, log_prices: Floats) -> Floats:
        """The value of every row, `(..., rows)`; NaN where there is no row before."""

    @abstractmethod
    def returns(self, values: Floats, log_prices: Floats) -> Floats:
        """The log returns that values mean after such a log price, of shapes that broadcast."""


class ReturnTarget(Target):
    """The log return, log p(t + 1) - log p(t)."""

    is_centred = False

    def of(self, log_prices: Floats) -> Floats:
        """Of the row before to each."""
        return np.diff(log_prices, prepend=np.nan)

    def returns(self, values: Floats, log_prices: Floats) -> Floats:
        """They are returns."""
        return values


class PriceTarget(Target):
    """The price itself. A network hardly ever meets in training the prices that it is tested on."""

    is_centred = True

    def of(self, log_prices: Floats) -> Floats:
        """The price of each row."""
        return np.exp(log_prices)

    def returns(self, values: Floats, log_prices: Floats) -> Floats:
        """From the price before to the one that is predicted."""
        share = np.maximum(values / np.exp(log_prices), SMALLEST_SHARE)
        returns: Floats = np.log(share)
        return returns


TARGETS: dict[str, Target] = {"return": ReturnTarget(), "price": PriceTarget()}
