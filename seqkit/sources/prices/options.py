"""What a user may say about a file that cannot be seen in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqkit.errors import SourceError
from seqkit.sources.prices.numbers import Decimal


@dataclass(frozen=True)
class Options:
    """The options of `read_prices`.

    Raises:
        SourceError: one has a value that no file can want.
    """

    symbol: str | Sequence[str] | None = None
    price: str | None = None
    date_format: str | None = None
    date: str | None = None
    symbol_column: str | None = None
    decimal: Decimal | None = None
    delimiter: str | None = None
    min_rows: int = 1

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise SourceError(f'decimal={self.decimal!r}: the decimal mark is "." or ",".')
        if self.delimiter is not None and (
            len(self.delimiter) != 1
            or not self.delimiter.isascii()
            or self.delimiter.isalnum()
            or self.delimiter in '"\r\n'
        ):
            raise SourceError(
                f'delimiter={self.delimiter!r}: a delimiter is one character, such as ",", ";" or a tab.'
            )
        if self.min_rows < 1:
            raise SourceError(f"min_rows={self.min_rows!r}: at least one row is needed.")

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that are wanted; none where all are."""
        return (self.symbol,) if isinstance(self.symbol, str) else tuple(self.symbol or ())

    @property
    def only_symbol(self) -> str | None:
        """The symbol, where one was named."""
        return self.symbols[0] if len(self.symbols) == 1 else None
