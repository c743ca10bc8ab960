"""Prices out of the CSV files of any broker.

The way of a file: its bytes (`content`), how it is written (`dialect`), what its columns are (`forms`),
its rows (`records`), their dates (`dates`) and numbers (`numbers`), which of them are wanted (`selection`)
and have a price (`blocks`), what is worth telling (`checks`), and the table. `reader` goes that way.
"""

from seqkit.sources.prices.findings import Finding
from seqkit.sources.prices.reader import read_prices
from seqkit.sources.prices.source import Prices
from seqkit.sources.prices.table import PriceTable

__all__ = ["Finding", "PriceTable", "Prices", "read_prices"]
