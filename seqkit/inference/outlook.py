"""Convert a forecast back to prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series import SymbolRows
from seqkit.inference.forecast import Forecast, mean_forecast

Floats = NDArray[np.float64]

FAN_LEVELS = (0.05, 0.25, 0.75, 0.95)
"""The ends of the 90 % and of the 50 % interval."""


@dataclass(frozen=True)
class Session:
    """A row ahead of the last one; it has a label instead of a date."""

    label: str
    """`"+1 session"`, `"+2 sessions"`, ..."""
    price: float
    """Forecast price: the last price times the exponential of the expected log return, near the median."""
    log_return: float
    """Expected log return from the last row to this one."""
    quantiles: dict[str, float] | None
    """Prices at the levels 0.05, 0.25, 0.75 and 0.95; None if the head has no interval."""


@dataclass(frozen=True)
class Outlook:
    """The forecast of one symbol, from its last row."""

    symbol: str
    last_date: str
    last_price: float
    sessions: tuple[Session, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "symbol": self.symbol,
            "last_date": self.last_date,
            "last_price": self.last_price,
            "sessions": [dict(vars(session)) for session in self.sessions],
        }


def make_outlook(rows: SymbolRows, blocks: Sequence[Forecast]) -> Outlook:
    """Make the outlook of a symbol from each seed's forecast at its last row.

    Args:
        rows: rows of the symbol.
        blocks: one forecast per seed, each of one origin, with quantiles at `FAN_LEVELS`.
    """
    # Rounded to twelve digits, as in the file: the exponential of the logarithm is 273.35999999999996.
    last = float(f"{np.exp(rows.log_prices[-1]):.12g}")
    mean = mean_forecast(blocks)
    sessions = []
    for ahead, expected in enumerate(mean.location[0]):
        ends = None
        if mean.quantiles is not None:
            prices = last * np.exp(mean.quantiles[0, ahead])
            ends = {str(level): float(price) for level, price in zip(FAN_LEVELS, prices, strict=True)}
        sessions.append(
            Session(session_label(ahead + 1), float(last * np.exp(expected)), float(expected), ends)
        )
    return Outlook(rows.name, str(rows.dates[-1]), last, tuple(sessions))


def session_label(ahead: int) -> str:
    """`"+1 session"`, a label for a future trading row, whose date is not known."""
    return f"+{ahead} session{'s' if ahead > 1 else ''}"
