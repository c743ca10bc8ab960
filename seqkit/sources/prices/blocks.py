"""The rows of a selection that have a price, by symbol and date; rows left out are noted with their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqkit.sources.prices.dates import shown
from seqkit.sources.prices.forms import Layout
from seqkit.sources.prices.notes import Notes, Rows
from seqkit.sources.prices.numbers import Numbers, read_numbers
from seqkit.sources.prices.options import Decimal, Options
from seqkit.sources.prices.records import Records
from seqkit.sources.prices.selection import Selection
from seqkit.sources.prices.table import Order

Column = NDArray[np.float64]
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Block:
    """Rows with a date and a price, sorted by symbol and date, without duplicates."""

    selection: Selection
    codes: NDArray[np.int32]
    """Index of each row's symbol in the selection, `(rows,)`."""
    rows: Rows
    """Indices of the rows in the file, `(rows,)`."""
    when: NDArray[np.datetime64]
    prices: Column
    columns: Mapping[str, Column]
    order: Order
    """Order of the first symbol's rows in the file."""
    missing: Rows
    """Rows of the file that have a date and no price."""

    @property
    def follows(self) -> NDArray[np.bool_]:
        """Whether a row has the same symbol as the row before it, `(rows - 1,)`."""
        return np.equal(self.codes[1:], self.codes[:-1])

    def slices(self) -> Iterator[tuple[str, slice]]:
        """Each symbol, with the slice of its rows."""
        starts = np.flatnonzero(np.diff(self.codes, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(self.codes)]):
            yield self.selection.symbols[self.codes[start]], slice(start, stop)


class _Sorted(NamedTuple):
    """Rows sorted by symbol and date; rows with equal dates are in the order of the file."""

    codes: NDArray[np.int32]
    rows: Rows
    when: NDArray[np.datetime64]


class BlockMaker:
    """Makes blocks.

    Args:
        records: the rows of the file.
        layout: the roles of its columns.
        decimal: its decimal mark.
        when: the dates of all its rows.
        options: the options, for messages that suggest one.
        notes: collects every row that is left out.
    """

    def __init__(
        self,
        records: Records,
        layout: Layout,
        decimal: Decimal,
        when: NDArray[np.datetime64],
        options: Options,
        notes: Notes,
    ) -> None:
        self._records, self._layout, self._decimal = records, layout, decimal
        self._when, self._options, self._notes = when, options, notes

    def make(self, selection: Selection, rows: Rows) -> Block:
        """Make the block of a selection from its rows that have a date, in the order of the file."""
        group = selection.group
        prices = self._numbers(group.price)
        rows, missing = self._priced(selection, prices, rows)
        codes = np.zeros(len(rows), np.int32) if selection.codes is None else self._of(selection.codes, rows)
        found = _Sorted(codes, rows, self._of(self._when, rows))
        order = _order(found.when[codes == codes[0]]) if len(codes) else "ascending"
        others = {name: self._numbers(index) for name, index in group.others.items()}
        found = self._without_copies(selection, _sort(found), prices, others)
        columns = {}
        for name, numbers in others.items():
            if self._are_numbers(group.others[name], numbers, found.rows):
                columns[name] = self._of(numbers.values, found.rows)
        return Block(selection, *found, self._of(prices.values, found.rows), columns, order, missing)

    def _of(self, values: NDArray[Value], rows: Rows) -> NDArray[Value]:
        """The values of rows; without a copy if every row is read, as for most files."""
        return values if rows is self._records.every_row else values[rows]

    def _numbers(self, column: int) -> Numbers:
        return read_numbers(self._records.columns[column], self._decimal)

    def _priced(self, selection: Selection, prices: Numbers, rows: Rows) -> tuple[Rows, Rows]:
        """The rows with a positive price, and the rows without a price; the others are noted as errors."""
        column, name = selection.group.price, self._price_name(selection)
        bad = rows[np.isin(rows, prices.bad)] if prices.bad.size else prices.bad
        other_mark = {".": ",", ",": "."}[self._decimal]
        self._notes.report_cells(
            "error",
            "not-a-number",
            bad,
            column,
            name,
            "'{}' is not a number",
            "Correct the cell, or leave it empty if the price is unknown. If the file has another decimal "
            f"mark, pass {self._options.spell('decimal', other_mark)}.",
        )
        values = self._of(prices.values, rows)
        good = values > 0
        if good.all():
            return rows, rows[:0]
        unknown = np.isnan(values)
        self._notes.report_cells(
            "error",
            "not-positive",
            rows[~good & ~unknown],
            column,
            name,
            "the price is {}; log returns need positive prices",
            "Correct the cell, or leave it empty if the price is unknown.",
        )
        return rows[good], np.setdiff1d(rows[unknown], bad)

    def _without_copies(
        self, selection: Selection, found: _Sorted, prices: Numbers, others: Mapping[str, Numbers]
    ) -> _Sorted:
        """Remove the rows that repeat the symbol and the date of the row before them."""
        copies = (found.codes[1:] == found.codes[:-1]) & (found.when[1:] == found.when[:-1])
        if not copies.any():
            return found
        later = np.flatnonzero(copies) + 1
        first, second = found.rows[later - 1], found.rows[later]
        differ = prices.values[first] != prices.values[second]
        if differ.any():
            self._report_conflict(selection, found, later[differ])
        differs_in = [
            name
            for name, numbers in others.items()
            if not np.array_equal(
                numbers.values[first[~differ]], numbers.values[second[~differ]], equal_nan=True
            )
        ]
        difference = f", but a different {' and '.join(differs_in)}" if differs_in else ""
        self._notes.report_rows(
            "warning",
            "duplicate",
            np.sort(second[~differ]),
            f"{{rows}} with the same date and price as another row{difference}: left out",
        )
        kept = np.append(True, ~copies)
        return _Sorted(found.codes[kept], found.rows[kept], found.when[kept])

    def _report_conflict(self, selection: Selection, found: _Sorted, later: NDArray[np.intp]) -> None:
        place = later[np.argmin(found.rows[later])]
        pair = found.rows[[place - 1, place]]
        lines = self._records.lines(pair)
        texts = self._records.columns[selection.group.price]
        values = " and ".join(
            f"{texts[int(row)]} in line {line}" for row, line in zip(pair, lines, strict=True)
        )
        symbol = selection.symbols[found.codes[place]]
        several = self._layout.symbol is not None or len(self._layout.groups) > 1
        who = f" for {symbol}" if several else ""
        remedy = "Remove the wrong line."
        if self._layout.symbol is None and self._layout.left_out:
            remedy += (
                " If the file has several symbols, name their column: "
                f"{self._options.spell('symbol_column', self._layout.left_out[0])}."
            )
        self._notes.report_rows(
            "error",
            "duplicate-conflict",
            np.sort(found.rows[later]),
            f"{shown(found.when[place])} appears twice{who} with different "
            f"prices: {self._price_name(selection)!r} is {values}",
            remedy,
        )

    def _are_numbers(self, column: int, numbers: Numbers, rows: Rows) -> bool:
        """Whether a further column holds numbers; if a few of its cells do not, they are noted."""
        if not numbers.bad.size:
            return not bool(np.all(np.isnan(numbers.values)))
        name = self._layout.names[column]
        bad = rows[np.isin(rows, numbers.bad)]
        good = np.count_nonzero(~np.isnan(numbers.values[rows]))
        if bad.size > good:
            self._notes.report("info", "text-column", f"column {name!r} holds text, and was left out")
        else:
            self._notes.report_cells(
                "warning",
                "no-number",
                np.sort(bad),
                column,
                name,
                "'{}' is not a number, and is read as missing",
            )
        return bool(bad.size <= good)

    def _price_name(self, selection: Selection) -> str:
        name = self._layout.names[selection.group.price]
        several = sum(self._layout.names[group.price] == name for group in self._layout.groups) > 1
        return f"{name} {selection.group.symbol}" if several else name


def _sort(found: _Sorted) -> _Sorted:
    codes, when = found.codes, found.when.view(np.int64)
    if np.all((codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (when[1:] >= when[:-1]))):
        return found
    place = np.lexsort((when, codes))
    return _Sorted(found.codes[place], found.rows[place], found.when[place])


def _order(when: NDArray[np.datetime64]) -> Order:
    if np.all(when[1:] >= when[:-1]):
        return "ascending"
    return "descending" if np.all(when[1:] <= when[:-1]) else "mixed"
