"""Simulated prices from a known process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Series, SeriesSource

Floats = NDArray[np.float64]

FIRST_DATE = np.datetime64("2000-01-03")
FIRST_PRICE = 100.0
GARCH_ALPHA, GARCH_BETA = 0.10, 0.88
"""Weights of the last squared return and of the last variance, close to estimates on daily stock returns."""
WARM_UP = 500
"""Rows drawn before the first one, so that the start of the process has no influence."""


class Synthetic(SeriesSource):
    """Prices from simulated log returns, on weekdays from 2000 on.

    - `random_walk`: independent normal returns. Their direction cannot be forecast.
    - `ar1`: `r(t) = phi r(t - 1) + e(t)`. The best forecast is `phi r(t)`, and its error is `e`.
    - `garch`: independent signs and persistent volatility: only the spread can be forecast.

    Args:
        process, rows, sigma, phi, symbols, seed: see `SyntheticConfig`; equal values give equal prices.

    Source: Bollerslev (1986), "Generalized autoregressive conditional heteroskedasticity".
    """

    def __init__(
        self,
        process: str = "random_walk",
        rows: int = 3000,
        sigma: float = 0.01,
        phi: float = 0.5,
        symbols: int = 1,
        seed: int = 0,
    ) -> None:
        self._options = (process, rows, sigma, phi, symbols, seed)
        self._rows, self._symbols, self._seed = rows, symbols, seed
        draw: dict[str, Callable[[Floats], Floats]] = {
            "random_walk": lambda noise: sigma * noise,
            "ar1": lambda noise: autoregressive(sigma * noise, phi),
            "garch": lambda noise: garch(noise, sigma),
        }
        self._draw = draw[process]

    def series(self, split: str = "all") -> Iterator[Series]:
        """The symbols `S1`, `S2`, ..."""
        if split != "all":
            raise SourceError(f"there is no split {split!r}; the only split is 'all'.")
        dates = np.busday_offset(FIRST_DATE, np.arange(self._rows))
        for symbol in range(self._symbols):
            generator = np.random.default_rng([self._seed, symbol])
            returns = self._draw(generator.standard_normal(WARM_UP + self._rows))[WARM_UP:]
            prices = FIRST_PRICE * np.exp(returns.cumsum() - returns[0])
            yield Series(f"S{symbol + 1}", dates, prices[:, None], ("price",))

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the settings, which determine every price."""
        return fingerprint(["synthetic", *self._options])


def autoregressive(noise: Floats, phi: float) -> Floats:
    """`r(t) = phi r(t - 1) + noise(t)`, from 0."""
    returns, last = np.empty_like(noise), 0.0
    for row, shock in enumerate(noise.tolist()):
        last = phi * last + shock
        returns[row] = last
    return returns


def garch(noise: Floats, sigma: float) -> Floats:
    """Normal returns whose variance follows GARCH(1, 1), `sigma**2` in the long run."""
    long_run = sigma**2
    returns, variance = np.empty_like(noise), long_run
    for row, shock in enumerate(noise.tolist()):
        returns[row] = shock * variance**0.5
        variance = (
            (1 - GARCH_ALPHA - GARCH_BETA) * long_run
            + GARCH_ALPHA * returns[row] ** 2
            + GARCH_BETA * variance
        )
    return returns
