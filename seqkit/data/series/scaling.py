"""The scaler: the model reads values in standard deviations of the training rows, symbol by symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from seqkit.data.series.dates import Cuts
from seqkit.data.series.rows import SymbolRows
from seqkit.data.series.targets import Target

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SymbolScale:
    """The scale of one symbol."""

    centers: list[float]
    """Means of the features on the training rows."""
    scales: list[float]
    """Standard deviations of the features on the training rows; 1 for a constant feature."""
    target_center: float
    """Mean of the target; 0 for a return, since a return of zero is the flat forecast."""
    target_scale: float
    """Root mean square of the target around `target_center`."""
    mean_return: float
    """Mean log return per row on the training rows: the drift."""
    return_scale: float
    """The root mean square of the training rows' log returns: the constant volatility."""
    fit_from: str
    fit_to: str
    fit_rows: int

    def features(self, raw: Floats) -> NDArray[np.float32]:
        """Scale features, `(..., features)`; a missing number becomes the training mean."""
        scaled = (raw - np.array(self.centers)) / np.array(self.scales)
        return np.where(np.isnan(scaled), 0.0, scaled).astype(np.float32)

    def target(self, values: Floats) -> NDArray[np.float32]:
        """Scale target values."""
        return np.asarray((values - self.target_center) / self.target_scale, dtype=np.float32)

    def unscaled(self, target: NDArray[Any]) -> Floats:
        """Convert scaled target values back."""
        return np.asarray(target, dtype=np.float64) * self.target_scale + self.target_center


@dataclass(frozen=True)
class Scaler:
    """Everything a run learned about its data before training: the content of `series.json`."""

    features: tuple[str, ...]
    cuts: Cuts
    symbols: Mapping[str, SymbolScale]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "features": list(self.features),
            **self.cuts.to_json(),
            "symbols": {name: asdict(scale) for name, scale in self.symbols.items()},
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Scaler:
        """The saved scaler.

        Raises:
            ValueError: these are not the values of a scaler.
        """
        found = _Saved.model_validate(saved)
        symbols = found.symbols
        numbers = [
            number
            for scale in symbols.values()
            for value in asdict(scale).values()
            for number in (value if isinstance(value, list) else [value])
            if isinstance(number, float)
        ]
        if not np.isfinite(numbers).all():
            raise ValueError("a number is not finite")
        if any(
            len(each) != len(found.features)
            for scale in symbols.values()
            for each in (scale.centers, scale.scales)
        ):
            raise ValueError("a symbol has not one center and one scale for each feature")
        cuts = Cuts(np.datetime64(found.validation_from), np.datetime64(found.test_from))
        return cls(tuple(found.features), cuts, symbols)


class _Saved(BaseModel):
    """The contents of `series.json`."""

    features: list[str]
    validation_from: date
    test_from: date
    symbols: dict[str, SymbolScale]


def fit_scale(rows: SymbolRows, cuts: Cuts, target: Target) -> SymbolScale:
    """Fit the scale of a symbol on the rows that training reads and predicts, without any later row."""
    read = rows.features[rows.first : -1][cuts.split_of(rows.target_dates) == 0]
    predicted = slice(rows.first + 1, rows.first + 1 + len(read))
    values, returns = rows.values[predicted], np.diff(rows.log_prices)[rows.first : rows.first + len(read)]
    centers = np.nan_to_num(_mean(read))
    spread = np.sqrt(_mean((read - centers) ** 2))
    center = float(values.mean()) if target.is_centred else 0.0
    return SymbolScale(
        centers=centers.tolist(),
        scales=np.where(spread > 1e-12, spread, 1.0).tolist(),
        target_center=center,
        target_scale=float(np.sqrt(((values - center) ** 2).mean())) or 1.0,
        mean_return=float(returns.mean()),
        return_scale=float(np.sqrt((returns**2).mean())),
        fit_from=str(rows.dates[rows.first]),
        fit_to=str(rows.dates[rows.first + len(read)]),
        fit_rows=len(read) + 1,  # each row is read or predicted, most are both
    )


def _mean(columns: Floats) -> Floats:
    """Mean of each column, without missing numbers; NaN if all are missing."""
    there = ~np.isnan(columns)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(there, columns, 0.0).sum(0) / there.sum(0)
    return means
