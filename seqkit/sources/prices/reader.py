"""`read_prices`: read a file into a table, or raise an error that says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import update_wrapper
from pathlib import Path
from typing import ParamSpec, Protocol, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seqkit.errors import SourceError
from seqkit.sources.prices.blocks import Block, BlockMaker
from seqkit.sources.prices.checks import (
    report_dialect,
    report_future,
    report_gap,
    report_missing,
    report_move,
    report_order,
    report_price,
    report_short,
    report_splits,
)
from seqkit.sources.prices.content import Content, read_content
from seqkit.sources.prices.dates import Stamps, finest_unit, read_dates
from seqkit.sources.prices.dialect import HEAD_BYTES, Dialect, find_dialect
from seqkit.sources.prices.findings import raise_errors
from seqkit.sources.prices.forms import Layout, find_layout
from seqkit.sources.prices.notes import Notes
from seqkit.sources.prices.options import Options, show_options
from seqkit.sources.prices.readings import say_readings
from seqkit.sources.prices.records import Records
from seqkit.sources.prices.selection import choose_clock, dated_rows, select
from seqkit.sources.prices.table import Form, PriceTable, SymbolPrices

Given = ParamSpec("Given")
WRAPPED = ("__module__", "__name__", "__qualname__", "__doc__")


class Reader(Protocol[Given]):
    """A function of a path and of options, each a separate argument."""

    def __call__(
        self, path: str | os.PathLike[str], *args: Given.args, **kwargs: Given.kwargs
    ) -> PriceTable: ...


def _takes(
    options: Callable[Given, Options],
) -> Callable[[Callable[[Path, Options], PriceTable]], Reader[Given]]:
    """Turn each declared option into an argument of a function of a path and options."""

    def decorate(read: Callable[[Path, Options], PriceTable]) -> Reader[Given]:
        def read_with(path: str | os.PathLike[str], *args: Given.args, **kwargs: Given.kwargs) -> PriceTable:
            return read(Path(path), options(*args, **kwargs))

        shown = show_options(read_with)
        return cast("Reader[Given]", update_wrapper(shown, read, assigned=WRAPPED, updated=()))

    return decorate


@_takes(Options)
def read_prices(path: Path, options: Options) -> PriceTable:
    """Read the prices of a CSV file from any broker.

    A row is a trading day in the file, and no day is filled in. A row without a price is left out, and the
    findings report it.

    Args:
        path: path of the file; `.gz`, `.zst` and a `.zip` with one CSV file are decompressed.
        symbol: one symbol or several; default: all. For a file without symbols, the name to give to its
            only one.
        price: column with the price; default: the adjusted close, or else the close.
        date_format: format as in `datetime.strptime`, such as `"%d/%m/%Y"`; default: detected, with the order
            of day, month and year that leaves the file in order.
        date: column with the dates.
        symbol_column: column with the symbol of each row.
        decimal: decimal mark of the file, `"."` or `","`.
        delimiter: character between the cells of the file.
        min_rows: minimum number of rows per symbol; fewer are an error.

    Returns:
        The table: by symbol, ascending dates and positive prices.
    Raises:
        SourceError: the file is not a price file, or one of its lines is wrong.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("aapl.csv").write_text("Date,Close\\n2021-05-17,126.27\\n2021-05-14,127.45\\n")
        >>> read_prices("aapl.csv").prices()
        array([127.45, 126.27])
    """
    return read_table(path, options)


def read_table(path: Path, options: Options) -> PriceTable:
    """Like `read_prices`, with the options as an object."""
    table = examine(path, options)
    raise_errors(path, table.findings)
    return table


def examine(path: Path, options: Options, gaps: bool = False) -> PriceTable:
    """Read as much of the table as possible, with errors among its findings.

    Args:
        gaps: also look for the longest gap.

    Raises:
        SourceError: no table can be read.
    """
    options.check()
    content = read_content(path)
    dialect = find_dialect(path, _head(content), options.delimiter, options.decimal)
    layout = find_layout(path, dialect, options)
    records = _records(path, content, dialect)
    notes = Notes(records)
    rows_read = records.size + notes.report_rejected(len(layout.names))
    report_dialect(content, dialect, layout, notes)
    stamps = _stamps(path, records, layout, options)
    selections = select(path, records, layout, options, notes)
    rows = dated_rows(records, layout, stamps, selections[0], options, notes)
    when = choose_clock(stamps, rows, notes)
    report_order(when, rows, selections[0].codes, notes)
    report_future(when, rows, notes)
    maker = BlockMaker(records, layout, dialect.decimal, when, options, notes)
    blocks = [maker.make(selection, rows) for selection in selections]
    unit = finest_unit([block.when for block in blocks])
    report_price(layout, notes)
    report_missing(blocks, notes)
    for block in blocks:
        report_splits(block, layout, notes)
    report_move(blocks, layout, notes)
    if gaps:
        report_gap(blocks, notes)
    series = {symbol: prices for block in blocks for symbol, prices in _by_symbol(block, unit)}
    report_short(selections, {symbol: len(prices.dates) for symbol, prices in series.items()}, options, notes)
    kept = np.zeros(records.size, bool)
    for block in blocks:
        kept[block.rows] = True
    return PriceTable(
        path=path,
        series=series,
        findings=notes.finish(kept),
        rows=int(np.count_nonzero(kept)),
        rows_read=rows_read,
        form=_form(layout, len(series)),
        order=blocks[0].order,
        date_column=layout.names[layout.date],
        price_column=layout.names[selections[0].group.price],
        delimiter=dialect.delimiter,
        decimal=dialect.decimal,
        encoding=content.encoding,
        names_symbols=layout.names_symbols,
    )


def _head(content: Content) -> str:
    head = content.data[:HEAD_BYTES]
    if len(content.data) > HEAD_BYTES:
        head = head[: head.rfind(b"\n") + 1] or head
    return head.decode("utf-8", "replace")


def _records(path: Path, content: Content, dialect: Dialect) -> Records:
    data = content.data
    spaced = f'{dialect.delimiter} "'.encode()
    if spaced in data[:HEAD_BYTES]:
        # pyarrow recognises a quotation mark only at the very start of a cell.
        data = data[:].replace(spaced, spaced.replace(b" ", b""))
    return Records(path, data, dialect.first_line, len(dialect.header[0]), dialect.delimiter)


def _stamps(path: Path, records: Records, layout: Layout, options: Options) -> Stamps:
    texts = records.columns[layout.date]
    times = None if layout.time is None else records.columns[layout.time]
    try:
        stamps = read_dates(texts, times, options.date_format, _codes(records, layout))
    except ValueError as error:
        assert options.date_format is not None  # nothing else raises it
        raise SourceError(
            f"{options.spell('date_format', options.date_format)} is not a date format: {error}.\n"
            '  Use the format codes of datetime.strptime: "%d/%m/%Y" for 31/12/2021.'
        ) from error
    if stamps.undecided is not None:
        (line,) = records.lines(np.array([stamps.undecided]))
        name = layout.names[layout.date]
        said = say_readings(texts[stamps.undecided].as_py(), options.spell)
        raise SourceError(f"{path}: line {line}, column {name!r}: {said}")
    return stamps


def _codes(records: Records, layout: Layout) -> NDArray[np.int32] | None:
    """The symbol of each row of a long file, as an index."""
    if layout.symbol is None:
        return None
    texts = records.columns[layout.symbol]
    coded = pa.chunked_array(texts.chunks, pa.string()).combine_chunks().dictionary_encode()
    return np.asarray(coded.indices.to_numpy())


def _by_symbol(block: Block, unit: str) -> Iterator[tuple[str, SymbolPrices]]:
    when = block.when.astype(f"datetime64[{unit}]", copy=False)
    for symbol, rows in block.slices():
        columns = {name: column[rows] for name, column in block.columns.items()}
        yield symbol, SymbolPrices(when[rows], block.prices[rows], columns)


def _form(layout: Layout, symbols: int) -> Form:
    if symbols < 2:
        return "single"
    return "wide" if layout.symbol is None else "long"
