"""The source `prices`: what a recipe reads."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from functools import cached_property
from pathlib import Path

import numpy as np

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Series, SeriesSource
from seqkit.sources.compressed import open_bytes, read_bytes
from seqkit.sources.prices.columns import role_of
from seqkit.sources.prices.numbers import Decimal
from seqkit.sources.prices.options import Options
from seqkit.sources.prices.reader import read_table
from seqkit.sources.prices.table import PriceTable, several_symbols

logger = logging.getLogger(__name__)


class Prices(SeriesSource):
    """The prices of a CSV file: a series a symbol, with what else the file has beside the price.

    The first column of each series is `"price"`; the others are called as in `PriceTable.columns`.

    Args:
        path: of the file.
        symbol: one symbol, or several.
        panel: all symbols; without it, a file that has several needs a choice.
        price, date_format, date, symbol_column, decimal, delimiter: see `read_prices`.

    Raises:
        SourceError: when it is first read, as `read_prices` does, and for several symbols without a choice.
    """

    def __init__(
        self,
        path: str | Path,
        symbol: str | Sequence[str] | None = None,
        panel: bool = False,
        price: str | None = None,
        date_format: str | None = None,
        date: str | None = None,
        symbol_column: str | None = None,
        decimal: Decimal | None = None,
        delimiter: str | None = None,
    ) -> None:
        self.path, self.panel = Path(path), panel
        self._options = Options(symbol, price, date_format, date, symbol_column, decimal, delimiter)

    @cached_property
    def table(self) -> PriceTable:
        """The file, read once; what was left out of it is logged."""
        table = read_table(self.path, self._options)
        if len(table.symbols) > 1 and not self.panel and not self._options.symbols:
            raise several_symbols(self.path, table.symbols)
        adjusted = role_of(table.price_column) == "adj_close"
        for finding in table.findings:
            # A split that only the close is not adjusted for does not touch an adjusted price.
            if finding.severity == "warning" and not (adjusted and finding.kind == "likely-split"):
                logger.warning("%s: %s", self.path, finding.message)
        return table

    def series(self, split: str = "all") -> Iterator[Series]:
        """The symbols, in the order of the file."""
        if split != "all":
            raise SourceError(f"there is no split {split!r}; the source has all.")
        for symbol, found in self.table.series.items():
            values = np.column_stack([found.prices, *found.columns.values()])
            yield Series(symbol, found.dates, values, ("price", *found.columns))

    @cached_property
    def fingerprint(self) -> str:
        """Of the bytes of the file and of how they are read, not of where it lies."""
        with open_bytes(self.path) as stream:
            digest = hashlib.sha256(read_bytes(stream, self.path, -1)).hexdigest()
        return fingerprint(["prices", digest, self.panel, astuple(self._options)])
