"""The prices of a file, by symbol, each in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import SourceError, did_you_mean
from seqkit.sources.prices.findings import Finding, and_more
from seqkit.sources.prices.options import Decimal
from seqkit.sources.prices.spelling import Spelling, in_python

Form: TypeAlias = Literal["single", "long", "wide"]
Order: TypeAlias = Literal["ascending", "descending", "mixed"]


@dataclass(frozen=True)
class SymbolPrices:
    """The rows of one symbol: dates that ascend, none twice."""

    dates: NDArray[np.datetime64]
    """`(rows,)`, in days, or in seconds or microseconds where there are times of the day."""
    prices: NDArray[np.float64]
    """`(rows,)`, positive and finite."""
    columns: Mapping[str, NDArray[np.float64]]
    """What else the file has beside the price, each `(rows,)`, NaN where it has no number."""


@dataclass(frozen=True)
class PriceTable:
    """The prices that a file holds, and what was found while it was read."""

    path: Path
    series: Mapping[str, SymbolPrices]
    """By symbol, in the order of the file."""
    findings: tuple[Finding, ...]
    """Decisions, rows that were left out, oddities; with the numbers of the lines."""
    rows: int
    """How many rows of the file have a price in the table."""
    rows_read: int
    """How many rows are below the header: `rows`, and those that a finding has left out."""
    form: Form
    """One symbol, many below each other, or many side by side."""
    order: Order
    """In which the first symbol's rows stand in the file; in the table, dates always ascend."""
    date_column: str
    price_column: str
    """In a wide file, that of the first symbol."""
    delimiter: str
    decimal: Decimal
    encoding: str
    names_symbols: bool
    """Whether the file says what its symbols are called."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """In the order of the file; a file that names none has one, called as the file."""
        return tuple(self.series)

    @property
    def columns(self) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
        """By symbol, then by name: what else stands beside the price, aligned to its rows.

        Names are `"open"`, `"high"`, `"low"`, `"close"` and `"adj_close"` (where they are not the price),
        `"volume"`, `"change"`, and for other columns their names in the file. A cell without a number is NaN.
        """
        return {symbol: prices.columns for symbol, prices in self.series.items()}

    def dates(self, symbol: str | None = None) -> NDArray[np.datetime64]:
        """The dates of a symbol, `(rows,)`, ascending, none twice; one symbol need not be named.

        Raises:
            SourceError: there is no such symbol, or there are several and none is named.
        """
        return self._of(symbol).dates

    def prices(self, symbol: str | None = None) -> NDArray[np.float64]:
        """The prices of a symbol, `(rows,)`, positive; raises as `dates` does."""
        return self._of(symbol).prices

    def _of(self, symbol: str | None) -> SymbolPrices:
        if symbol is None:
            if len(self.series) != 1:
                raise several_symbols(self.path, self.symbols)
            return next(iter(self.series.values()))
        if symbol not in self.series:
            raise no_such_symbol(self.path, symbol, self.symbols)
        return self.series[symbol]


def several_symbols(
    path: Path, symbols: tuple[str, ...], spell: Spelling = in_python, panel: bool = False
) -> SourceError:
    """What to say where one symbol is needed, and the file has several.

    Args:
        path: of the file.
        symbols: all of them.
        spell: how to write an option.
        panel: whether all of them can be taken at once.
    """
    several = spell("symbol", symbols[:2])
    choices = f"Pick one, {spell('symbol', symbols[0])}, or several, {several}"
    choices += f"; {spell('panel', True)} takes all." if panel else "."
    return SourceError(f"{path}: {len(symbols)} symbols found ({and_more(symbols)}).\n  {choices}")


def no_such_symbol(path: Path, symbol: str, symbols: tuple[str, ...]) -> SourceError:
    """What to say of a symbol that is not in the file."""
    return SourceError(
        f"{path} has no symbol {symbol!r}.{did_you_mean(symbol, symbols)}\n  Known: {and_more(symbols)}."
    )
