"""Read prices from the CSV files of any broker.

A file is read in these steps, which `reader` runs: its bytes (`content`), delimiter and header (`dialect`),
columns (`columns`, `forms`, and `words` for their names in many languages), rows (`records`), dates (`dates`,
`calendar`, `readings`, `clock`) and numbers (`numbers`). Then the wanted rows (`selection`) that have a price
(`blocks`) are checked (`checks`) and put into a `table`. The options of the user are declared in `options`.

Everything except `options` is loaded on first use, since it imports pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqkit.sources.prices.findings import Finding
    from seqkit.sources.prices.reader import read_prices
    from seqkit.sources.prices.source import Prices, open_prices
    from seqkit.sources.prices.table import PriceTable

__all__ = ["Finding", "PriceTable", "Prices", "open_prices", "read_prices"]

_HOMES = {
    "Finding": "findings",
    "PriceTable": "table",
    "Prices": "source",
    "open_prices": "source",
    "read_prices": "reader",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
