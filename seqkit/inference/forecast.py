"""Forecasts of a series: one row ahead from the model's own distribution, further by sampled paths.

    rows ... t      the model reads every row up to the origin t
             |      one row ahead: location and quantiles of what it says
             +--*--*--*   further: each path draws a return, computes the features that
             +--*--*--*   follow from it, and the model reads these as the next row

Everything is in log returns from the origin's price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqkit.cells.base import map_state
from seqkit.data.series import PreparedSeries, SymbolRows
from seqkit.errors import ContractError
from seqkit.heads import SeriesHead
from seqkit.inference.stepping import Stepper
from seqkit.model import SequenceModel, device_of, evaluating

Floats = NDArray[np.float64]

PATHS_AT_ONCE = 1 << 16
"""Sampled paths that are followed together: bounds the memory."""


class Forecast(NamedTuple):
    """Of one symbol, from a block of origins."""

    origins: NDArray[np.intp]
    """The rows after which the forecasts were made, `(origins,)`."""
    location: Floats
    """The log return from the origin to each row ahead that is expected, `(origins, horizon)`."""
    quantiles: Floats | None
    """Of that log return, `(origins, horizon, levels)`; None where the head has no interval."""


def forecast_blocks(
    model: SequenceModel,
    data: PreparedSeries,
    symbol: int,
    origins: NDArray[np.intp],
    *,
    horizon: int,
    levels: Sequence[float],
    paths: int = 200,
    seed: int = 0,
) -> Iterator[Forecast]:
    """Forecasts after each origin, walking forward: every one has read all rows up to its own, and no later.

    Args:
        model: with a head for series.
        data: scaled with the run's scaler.
        symbol: its place in `data.symbols`.
        origins: rows, ascending, none before the symbol's `first`.
        horizon: rows ahead.
        levels: of the quantiles.
        paths: sampled from each origin, for more than one row ahead.
        seed: of the draws.
    Raises:
        ContractError: the model predicts no numbers.
    """
    head = model.head
    if not isinstance(head, SeriesHead):
        raise ContractError(f"a forecast needs a head for series, and the model has {type(head).__name__}.")
    rows = data.symbols[symbol]
    steps = origins - rows.first
    inputs = torch.from_numpy(data.inputs[symbol])[None].to(device_of(model))  # (1, T, features)
    generator = torch.Generator().manual_seed(seed)
    with evaluating(model.modules()), torch.no_grad():
        if horizon == 1:
            outputs = model(inputs[:, : steps[-1] + 1])[0][0, torch.from_numpy(steps)]
            location, quantiles = _one_ahead(head, outputs, data, rows, origins, levels)
            yield Forecast(origins, location[:, None], None if quantiles is None else quantiles[:, None])
            return
        at_once = max(1, PATHS_AT_ONCE // paths)
        for first, outputs, state in _states_at(model, inputs, steps, at_once):
            block = origins[first : first + len(outputs)]
            count = paths if head.has_interval else 1
            location, drawn = _follow(
                model, head, outputs, state, data, rows, block, horizon, count, generator
            )
            quantiles = np.moveaxis(np.quantile(drawn, levels, axis=1), 0, -1) if head.has_interval else None
            # One row ahead nothing has to be drawn.
            location[:, 0], exact = _one_ahead(head, outputs, data, rows, block, levels)
            if quantiles is not None and exact is not None:
                quantiles[:, 0] = exact
            yield Forecast(block, location, quantiles)


def _one_ahead(
    head: SeriesHead,
    outputs: Tensor,
    data: PreparedSeries,
    rows: SymbolRows,
    origins: NDArray[np.intp],
    levels: Sequence[float],
) -> tuple[Floats, Floats | None]:
    """Location `(origins,)` and quantiles `(origins, levels)` of the next row's log return."""
    to_returns = _to_returns(data, rows)
    last = rows.log_prices[origins]
    location = to_returns(head.location(outputs), last)
    if not head.has_interval:
        return location, None
    wanted = torch.tensor(levels, dtype=torch.float64, device=outputs.device)
    return location, to_returns(head.quantiles(outputs.double(), wanted), last[:, None])


def _to_returns(data: PreparedSeries, rows: SymbolRows) -> Callable[[Tensor, Floats], Floats]:
    """From what the model predicts after a log price to log returns."""
    scale = data.scaler.symbols[rows.name]
    return lambda predicted, last: data.target.returns(scale.unscaled(predicted.cpu().numpy()), last)


def _states_at(
    model: SequenceModel, inputs: Tensor, steps: NDArray[np.intp], at_once: int
) -> Iterator[tuple[int, Tensor, Any]]:
    """Outputs and states after given steps, in blocks: `(place of the first, outputs, states)`."""
    state, at = None, 0
    outputs: list[Tensor] = []
    states: list[Any] = []
    for place, step in enumerate(steps):
        found, state = model(inputs[:, at : step + 1], state)
        at = int(step) + 1
        outputs.append(found[0, -1])
        states.append(state)
        if len(outputs) == at_once or place == len(steps) - 1:
            together = map_state(lambda *leaves: torch.cat(leaves), *states)
            yield place + 1 - len(outputs), torch.stack(outputs), together
            outputs, states = [], []


def _follow(
    model: SequenceModel,
    head: SeriesHead,
    outputs: Tensor,
    state: Any,
    data: PreparedSeries,
    rows: SymbolRows,
    origins: NDArray[np.intp],
    horizon: int,
    paths: int,
    generator: torch.Generator,
) -> tuple[Floats, Floats]:
    """Log returns along paths: expected, `(origins, horizon)`, and drawn, `(origins, paths, horizon)`.

    What is expected is the mean over the paths of what the model expects on each: the draws themselves would
    add their own noise to it.
    """
    scale, lookback = data.scaler.symbols[rows.name], data.features.lookback
    to_returns = _to_returns(data, rows)
    past = origins[:, None] + np.arange(-lookback, 1)
    history = np.repeat(rows.log_prices[past], paths, 0)  # (origins * paths, lookback + 1)
    outputs = outputs.repeat_interleave(paths, 0)
    stepper = Stepper(model, map_state(lambda leaf: leaf.repeat_interleave(paths, 0), state))
    expected, drawn = np.zeros((2, len(history), horizon))
    for ahead in range(horizon):
        last = history[:, -1]
        expected[:, ahead] = to_returns(head.location(outputs), last)
        drawn[:, ahead] = to_returns(head.sample(outputs.double(), generator), last)
        if ahead < horizon - 1:
            history = np.concatenate([history[:, 1:], (last + drawn[:, ahead])[:, None]], 1)
            features = torch.from_numpy(scale.features(data.features.of_past(history)))
            outputs = stepper(features.to(outputs.device))
    shape = len(origins), paths, horizon
    return expected.cumsum(1).reshape(shape).mean(1), drawn.cumsum(1).reshape(shape)
