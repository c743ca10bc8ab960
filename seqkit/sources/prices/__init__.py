"""Prices out of the CSV files of any broker.

The way of a file: its bytes (`content`), how it is written (`dialect`), what its columns are (`columns`, by
the words of many languages in `words`; `forms`), its rows (`records`), their dates (`dates`, `calendar`,
`readings`, `clock`) and numbers (`numbers`), which of them are wanted (`selection`) and have a price
(`blocks`), what is worth reporting (`checks`), and the table. `reader` goes that way. What a user can say
about a file is declared in `options`.

Everything but `options` is loaded when it is first used, since it imports pyarrow.
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
