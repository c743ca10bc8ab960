"""The prices of a file by symbol, in order of time."""

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
    """The rows of one symbol, with ascending dates and no duplicates."""

    dates: NDArray[np.datetime64]
    """`(rows,)`, in days, or in seconds or microseconds if there are times of day."""
    prices: NDArray[np.float64]
    """`(rows,)`, positive and finite."""
    columns: Mapping[str, NDArray[np.float64]]
    """Other columns of numbers in the file, each `(rows,)`, with NaN for missing numbers."""


@dataclass(frozen=True)
class PriceTable:
    """The prices in a file, and the findings about the file."""

    path: Path
    series: Mapping[str, SymbolPrices]
    """Prices by symbol, in the order of the file."""
    findings: tuple[Finding, ...]
    """Decisions, rows that were left out and anomalies, with their line numbers."""
    rows: int
    """Number of rows of the file that have a price in the table."""
    rows_read: int
    """Number of rows below the header: `rows`, plus the rows that findings report as left out."""
    form: Form
    """One symbol, many below each other, or many side by side."""
    order: Order
    """Order of the first symbol's rows in the file; in the table, dates always ascend."""
    date_column: str
    price_column: str
    """In a wide file, the price column of the first symbol."""
    delimiter: str
    decimal: Decimal
    encoding: str
    names_symbols: bool
    """Whether the file names its symbols."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in the order of the file; if it names none, its only symbol has the name of the file."""
        return tuple(self.series)

    @property
    def columns(self) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
        """Columns other than the price, by symbol and then by name, aligned with the rows of the price.

        Names are `"open"`, `"high"`, `"low"`, `"close"` and `"adj_close"` (if they are not the price),
        `"volume"`, `"change"`, and for other columns their names in the file. A cell without a number is NaN.
        """
        return {symbol: prices.columns for symbol, prices in self.series.items()}

    def dates(self, symbol: str | None = None) -> NDArray[np.datetime64]:
        """The dates of a symbol, `(rows,)`, ascending, without duplicates; an only symbol need not be named.

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
    """The error if one symbol is needed and the file has several.

    Args:
        path: path of the file.
        symbols: all symbols of the file.
        spell: how to write an option.
        panel: whether all symbols can be read at once.
    """
    several = spell("symbol", symbols[:2])
    choices = f"Choose one, {spell('symbol', symbols[0])}, or several, {several}"
    choices += f"; {spell('panel', True)} reads all." if panel else "."
    return SourceError(f"{path}: {len(symbols)} symbols found ({and_more(symbols)}).\n  {choices}")


def no_such_symbol(path: Path, symbol: str, symbols: tuple[str, ...]) -> SourceError:
    """The error for a symbol that is not in the file."""
    return SourceError(
        f"{path} has no symbol {symbol!r}.{did_you_mean(symbol, symbols)}\n"
        f"  Symbols in the file: {and_more(symbols)}."
    )
