"""The source `prices`: what a recipe reads."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Series, SeriesSource
from seqkit.sources.prices.columns import role_of
from seqkit.sources.prices.content import read_data
from seqkit.sources.prices.options import Options, show_options
from seqkit.sources.prices.reader import read_table
from seqkit.sources.prices.spelling import Spelling, in_python, in_recipe
from seqkit.sources.prices.table import PriceTable, several_symbols

logger = logging.getLogger(__name__)


class Prices(SeriesSource):
    """The prices of a CSV file: a series a symbol, with what else the file has.

    The first column of each series is `"price"`; the others are called as in `PriceTable.columns`.

    Args:
        path: of the file.
        symbol: one symbol, or several.
        panel: all symbols; without it, a file that has several needs a choice.
        spell: how messages write an option.
        options: the others of `read_prices`.

    Raises:
        SourceError: when it is first read, as `read_prices` does, and for several symbols without a choice.
    """

    @show_options
    def __init__(
        self,
        path: str | Path,
        symbol: str | Sequence[str] | None = None,
        panel: bool = False,
        *,
        spell: Spelling = in_python,
        **options: Any,  # they are declared once, in Options, which raises TypeError for another
    ) -> None:
        self.path, self.panel = Path(path), panel
        self._options = Options(symbol, **options).spelled(spell)

    @cached_property
    def table(self) -> PriceTable:
        """The file, read once; what was left out of it is logged, and the largest move."""
        table = read_table(self.path, self._options)
        if len(table.symbols) > 1 and not self.panel and not self._options.symbols:
            raise several_symbols(self.path, table.symbols, self._options.spell, panel=True)
        adjusted = role_of(table.price_column) == "adj_close"
        for finding in table.findings:
            # A split that only the close is not adjusted for does not touch an adjusted price.
            if finding.severity == "warning" and not (adjusted and finding.kind == "likely-split"):
                logger.warning("%s: %s", self.path, finding.message)
            elif finding.kind == "largest-move":
                logger.info("%s: %s", self.path, finding.message, extra={"once": True})
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
        """Of the bytes of the file and of how they are read, not of where it is."""
        digest = hashlib.sha256(read_data(self.path)).hexdigest()
        return fingerprint(["prices", digest, self.panel, self._options.values])


@show_options
def open_prices(path: str | Path, panel: bool = False, **options: Any) -> Prices:  # those of Prices
    """The prices that a recipe names: messages write an option as an override of `seqkit run`."""
    return Prices(path, panel=panel, **options, spell=in_recipe)
