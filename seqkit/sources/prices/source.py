"""The source `prices` for recipes."""

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
    """The prices of a CSV file: one series per symbol, with the other columns of the file.

    The first column of each series is `"price"`; the others are named as in `PriceTable.columns`.

    Args:
        path: path of the file.
        symbol: one symbol, or several.
        panel: read all symbols; without it, `symbol` is required for a file that has several.
        spell: how messages write an option.
        options: further options of `read_prices`.

    Raises:
        SourceError: on first reading, as `read_prices` does, and if none of several symbols is chosen.
    """

    @show_options
    def __init__(
        self,
        path: str | Path,
        symbol: str | Sequence[str] | None = None,
        panel: bool = False,
        *,
        spell: Spelling = in_python,
        **options: Any,  # declared once, in Options, which raises TypeError for an unknown option
    ) -> None:
        self.path, self.panel = Path(path), panel
        self._options = Options(symbol, **options).spelled(spell)

    @cached_property
    def table(self) -> PriceTable:
        """The table of the file, read once; warnings and the largest move are logged."""
        table = read_table(self.path, self._options)
        if len(table.symbols) > 1 and not self.panel and not self._options.symbols:
            raise several_symbols(self.path, table.symbols, self._options.spell, panel=True)
        adjusted = role_of(table.price_column) == "adj_close"
        for finding in table.findings:
            # An unadjusted split in the close does not affect an adjusted price.
            if finding.severity == "warning" and not (adjusted and finding.kind == "likely-split"):
                logger.warning("%s: %s", self.path, finding.message)
            elif finding.kind == "largest-move":
                logger.info("%s: %s", self.path, finding.message, extra={"once": True})
        return table

    def series(self, split: str = "all") -> Iterator[Series]:
        """The symbols, in the order of the file."""
        if split != "all":
            raise SourceError(f"there is no split {split!r}; the only split is 'all'.")
        for symbol, found in self.table.series.items():
            values = np.column_stack([found.prices, *found.columns.values()])
            yield Series(symbol, found.dates, values, ("price", *found.columns))

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the file's contents and the reading options; independent of its location."""
        digest = hashlib.sha256(read_data(self.path)).hexdigest()
        return fingerprint(["prices", digest, self.panel, self._options.values])


@show_options
def open_prices(path: str | Path, panel: bool = False, **options: Any) -> Prices:  # options of Prices
    """Prices for a recipe: messages write an option as an override of `seqkit run`."""
    return Prices(path, panel=panel, **options, spell=in_recipe)
