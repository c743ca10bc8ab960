"""Forecast a series: one row ahead from the model's own distribution, further ahead by sampled paths.

    rows ... t      the model reads every row up to the origin t
             |      one row ahead: location and quantiles of the model's output
             +--*--*--*   further ahead: each path draws a return and computes the next
             +--*--*--*   features from it, and the model reads these as the next row

All values are log returns from the origin's price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqkit.cells.base import map_state
from seqkit.data.series import PreparedSeries
from seqkit.errors import ContractError
from seqkit.heads import SeriesHead
from seqkit.inference.stepping import Stepper
from seqkit.model import SequenceModel, device_of, evaluating

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

ORIGINS_AT_ONCE = 1 << 14
PATH_ROWS_AT_ONCE = 1 << 18
"""Origins that are evaluated at once, and rows of sampled paths that are; this bounds the memory."""


class Forecast(NamedTuple):
    """Forecasts of one symbol from a block of origins."""

    origins: Rows
    """The rows after which the forecasts were made, `(origins,)`."""
    location: Floats
    """The expected log return from the origin to each row ahead, `(origins, horizon)`."""
    quantiles: Floats | None
    """Quantiles of that log return, `(origins, horizon, levels)`; None if the head has no interval."""


def mean_forecast(forecasts: Sequence[Forecast]) -> Forecast:
    """The joint forecast of several seeds from the same origins: the mean of their locations and quantiles.

    Source: Lichtendahl, Grushka-Cockayne and Winkler (2013), "Is it better to average probabilities or
    quantiles?".
    """
    quantiles = [forecast.quantiles for forecast in forecasts if forecast.quantiles is not None]
    return Forecast(
        forecasts[0].origins,
        np.asarray(np.mean([forecast.location for forecast in forecasts], 0)),
        np.asarray(np.mean(quantiles, 0)) if quantiles else None,
    )


@torch.no_grad()  # a decorator, so that gradients are on again between blocks: seeds are read in turn
def forecast_blocks(
    model: SequenceModel,
    data: PreparedSeries,
    symbol: int,
    origins: Rows,
    *,
    horizon: int,
    levels: Sequence[float],
    paths: int = 200,
    seed: int = 0,
) -> Iterator[Forecast]:
    """Forecast from each origin, walking forward: each forecast reads all rows up to its origin, none later.

    Args:
        model: model with a head for series.
        data: data scaled with the run's scaler.
        symbol: index of the symbol in `data.symbols`.
        origins: rows, ascending, none before the symbol's `first`.
        horizon: number of rows ahead.
        levels: levels of the quantiles.
        paths: number of paths sampled from each origin, for more than one row ahead.
        seed: seed of the draws.
    Raises:
        ContractError: the model does not predict numbers.
    """
    walk = _Walk(model, data, symbol)
    with evaluating(model.modules()):
        if horizon == 1:
            yield from walk.one_row_ahead(origins, levels)
        else:
            generator = torch.Generator().manual_seed(seed)
            yield from walk.along_paths(origins, levels, horizon, paths, generator)


class _Walk:
    """Runs a model over the rows of one symbol."""

    def __init__(self, model: SequenceModel, data: PreparedSeries, symbol: int) -> None:
        if not isinstance(model.head, SeriesHead):
            raise ContractError(
                f"a forecast needs a head for series, and the model has {type(model.head).__name__}."
            )
        self._model, self._head = model, model.head
        self._rows, self._features, self._target = data.symbols[symbol], data.features, data.target
        self._scale = data.scaler.symbols[self._rows.name]
        self._inputs = torch.from_numpy(data.inputs[symbol])[None].to(device_of(model))  # (1, T, features)

    def one_row_ahead(self, origins: Rows, levels: Sequence[float]) -> Iterator[Forecast]:
        """Forecast one row ahead of each origin, in one pass over the series."""
        steps = origins - self._rows.first
        outputs = self._model(self._inputs[:, : steps[-1] + 1])[0][0, torch.from_numpy(steps)]
        for first in range(0, len(origins), ORIGINS_AT_ONCE):
            block = slice(first, first + ORIGINS_AT_ONCE)
            location, quantiles = self._next_row(outputs[block], origins[block], levels)
            ends = None if quantiles is None else quantiles[:, None]
            yield Forecast(origins[block], location[:, None], ends)

    def along_paths(
        self, origins: Rows, levels: Sequence[float], horizon: int, paths: int, generator: torch.Generator
    ) -> Iterator[Forecast]:
        """Read row by row to each origin, and forecast from there along sampled paths."""
        paths = paths if self._head.has_interval else 1  # a point forecast has one path
        for block, outputs, state in self._states_at(origins, max(1, PATH_ROWS_AT_ONCE // (paths * horizon))):
            location, drawn = self._follow(outputs, state, block, horizon, paths, generator)
            # One row ahead, the model's distribution is exact.
            location[:, 0], exact = self._next_row(outputs, block, levels)
            quantiles = None
            if exact is not None:
                quantiles = np.moveaxis(np.quantile(drawn, levels, axis=1, method="weibull"), 0, -1)
                quantiles[:, 0] = exact
            yield Forecast(block, location, quantiles)

    def _next_row(
        self, outputs: Tensor, origins: Rows, levels: Sequence[float]
    ) -> tuple[Floats, Floats | None]:
        """Location `(origins,)` and quantiles `(origins, levels)` of the next row's log return."""
        last = self._rows.log_prices[origins]
        location = self._to_returns(self._head.location(outputs), last)
        if not self._head.has_interval:
            return location, None
        wanted = torch.tensor(levels, dtype=torch.float64, device=outputs.device)
        return location, self._to_returns(self._head.quantiles(outputs.double(), wanted), last[:, None])

    def _states_at(self, origins: Rows, at_once: int) -> Iterator[tuple[Rows, Tensor, Any]]:
        """Blocks of origins, with the outputs and the states of the model after them."""
        state, at = None, 0
        outputs: list[Tensor] = []
        states: list[Any] = []
        for place, step in enumerate(origins - self._rows.first):
            found, state = self._model(self._inputs[:, at : step + 1], state)
            at = int(step) + 1
            outputs.append(found[0, -1])
            states.append(state)
            if len(outputs) == at_once or place == len(origins) - 1:
                together = map_state(lambda *leaves: torch.cat(leaves), *states)
                yield origins[place + 1 - len(outputs) : place + 1], torch.stack(outputs), together
                outputs, states = [], []

    def _follow(
        self,
        outputs: Tensor,
        state: Any,
        origins: Rows,
        horizon: int,
        paths: int,
        generator: torch.Generator,
    ) -> tuple[Floats, Floats]:
        """Log returns along paths: expected, `(origins, horizon)`, and drawn, `(origins, paths, horizon)`.

        The expected return is the mean over paths of the model's expectation on each. The mean of the draws
        would add their noise.
        """
        past = origins[:, None] + np.arange(-self._features.lookback, 1)
        history = np.repeat(self._rows.log_prices[past], paths, 0)  # (origins * paths, lookback + 1)
        outputs = outputs.repeat_interleave(paths, 0)
        stepper = Stepper(self._model, map_state(lambda leaf: leaf.repeat_interleave(paths, 0), state))
        expected, drawn = np.zeros((2, len(history), horizon))
        for ahead in range(horizon):
            last = history[:, -1]
            expected[:, ahead] = self._to_returns(self._head.location(outputs), last)
            drawn[:, ahead] = self._to_returns(self._head.sample(outputs.double(), generator), last)
            if ahead < horizon - 1:
                history = np.concatenate([history[:, 1:], (last + drawn[:, ahead])[:, None]], 1)
                features = torch.from_numpy(self._scale.features(self._features.of_past(history)))
                outputs = stepper(features.to(outputs.device))
        shape = len(origins), paths, horizon
        return expected.cumsum(1).reshape(shape).mean(1), drawn.cumsum(1).reshape(shape)

    def _to_returns(self, predicted: Tensor, last: Floats) -> Floats:
        """Convert the model's predictions after a log price to log returns."""
        return self._target.returns(self._scale.unscaled(predicted.cpu().numpy()), last)
