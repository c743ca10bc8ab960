"""Sources: the contract, text files, strings, prices, Hugging Face datasets, and samples
that are on every machine.

The price reader is loaded on first use, since it imports pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqkit.sources.base import Piece, Series, SeriesSource, Source, TextSource
from seqkit.sources.hub import HubDataset
from seqkit.sources.samples import PythonDocs
from seqkit.sources.strings import Strings
from seqkit.sources.text import TextFiles

if TYPE_CHECKING:
    from seqkit.sources.prices import Finding, Prices, PriceTable, read_prices

__all__ = [
    "Finding",
    "HubDataset",
    "Piece",
    "PriceTable",
    "Prices",
    "PythonDocs",
    "Series",
    "SeriesSource",
    "Source",
    "Strings",
    "TextFiles",
    "TextSource",
    "read_prices",
]


def __getattr__(name: str) -> Any:
    if name in ("Finding", "PriceTable", "Prices", "read_prices"):
        from seqkit.sources import prices

        return getattr(prices, name)
    raise AttributeError(f"module 'seqkit.sources' has no attribute {name!r}")
