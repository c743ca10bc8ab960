"""Select the rows of a file to read: those of the wanted symbols that have a date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqkit.errors import SourceError
from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.dates import Stamps, finest_unit
from seqkit.sources.prices.findings import and_more
from seqkit.sources.prices.forms import Group, Layout
from seqkit.sources.prices.notes import Notes, Rows
from seqkit.sources.prices.numbers import is_number
from seqkit.sources.prices.options import Options
from seqkit.sources.prices.records import Records
from seqkit.sources.prices.table import no_such_symbol


class Selection(NamedTuple):
    """A group of columns of a file, and the symbols in it that are wanted."""

    group: Group
    symbols: tuple[str, ...]
    """Wanted symbols, in the order of the file."""
    codes: NDArray[np.int32] | None = None
    """In a long file, the index of each row's symbol, `(rows of the file,)`; -1 for unwanted ones."""


def select(path: Path, records: Records, layout: Layout, options: Options, notes: Notes) -> list[Selection]:
    """Select the wanted symbols, or all: one selection, or in a wide file one per symbol.

    Raises:
        SourceError: a wanted symbol is not in the file.
    """
    wanted = options.symbols
    if layout.symbol is not None:
        return [_of_long(path, records, layout, wanted, notes)]
    known = tuple(group.symbol for group in layout.groups)
    if len(known) == 1 and len(wanted) > 1:
        raise SourceError(
            f"{path} has only one series, without symbols: {and_more(wanted)} cannot be selected.\n"
            f"  If one of its columns has the symbols, name it: {options.spell('symbol_column', '...')}."
        )
    _check(path, wanted, known)
    return [
        Selection(group, (group.symbol,)) for group in layout.groups if not wanted or group.symbol in wanted
    ]


def dated_rows(
    records: Records,
    layout: Layout,
    stamps: Stamps,
    selection: Selection,
    options: Options,
    notes: Notes,
) -> Rows:
    """The selected rows that have a date; the others are noted."""
    date_format = options.date_format
    codes = selection.codes
    rows = records.every_row
    if codes is not None and np.any(codes < 0):
        rows = np.flatnonzero(codes >= 0)
    undated = np.isnat(stamps.local if rows is records.every_row else stamps.local[rows])
    if not undated.any():
        return rows
    footers = np.intersect1d(rows[undated], _footers(records, layout, stamps))
    notes.report_footers(footers)
    bad = np.setdiff1d(np.intersect1d(rows[undated], stamps.bad), footers)
    name = layout.names[layout.date]
    notes.report_cells(
        "error",
        "bad-date",
        bad,
        layout.date,
        name,
        ("'{}' is not a date" if date_format is None else f"'{{}}' is not in the format {date_format!r}")
        + ("" if layout.time is None else ", or its time is invalid"),
        "Correct the line, or pass the format of the dates, for example "
        f"{options.spell('date_format', '%d/%m/%Y')}.",
    )
    without = np.setdiff1d(rows[undated], np.union1d(bad, footers))
    blank = _are_blank(records, without)
    notes.report_rows("warning", "empty-row", without[blank], "{rows} without any value: left out")
    notes.report_rows(
        "error",
        "no-date",
        without[~blank],
        f"{{rows}} without a date in column {name!r}",
        "Fill it in, or remove the lines.",
    )
    return rows[~undated]


def _footers(records: Records, layout: Layout, stamps: Stamps) -> Rows:
    """Rows after the last one with a date that have neither date nor price, but other content."""
    dated = np.flatnonzero(~np.isnat(stamps.local))
    rows = np.arange(int(dated[-1]) + 1, records.size) if dated.size else dated
    rows = rows[[not looks_like_date(cell, digits=True) for cell in _cells(records, layout.date, rows)]]
    for group in layout.groups:
        rows = rows[[not is_number(cell) for cell in _cells(records, group.price, rows)]]
    return rows[~_are_blank(records, rows)]


def _cells(records: Records, column: int, rows: Rows) -> list[str]:
    cells: list[str] = records.columns[column].take(pa.array(rows)).to_pylist()
    return cells


def choose_clock(stamps: Stamps, rows: Rows, notes: Notes) -> NDArray[np.datetime64]:
    """The exchange's local time; UTC if a change of the clocks would make local times ambiguous."""
    if stamps.utc is None or finest_unit([stamps.local[rows]]) == "D":
        return stamps.local
    if np.unique(stamps.local[rows]).size == np.unique(stamps.utc[rows]).size:
        return stamps.local
    notes.report("info", "utc", "times are in UTC, since some local times are ambiguous")
    return stamps.utc


def _of_long(
    path: Path, records: Records, layout: Layout, wanted: tuple[str, ...], notes: Notes
) -> Selection:
    assert layout.symbol is not None
    texts = records.columns[layout.symbol]
    coded = pa.chunked_array(texts.chunks, pa.string()).combine_chunks().dictionary_encode()
    raw: list[str] = coded.dictionary.to_pylist()
    codes = coded.indices.to_numpy()
    found = [name.strip() for name in raw]
    known = [name for name in dict.fromkeys(found) if name]
    _check(path, wanted, known)
    kept = [name for name in known if not wanted or name in wanted]
    if kept == raw:
        return Selection(layout.groups[0], tuple(kept), codes)
    code_of = {name: code for code, name in enumerate(kept)}
    chosen = np.array([code_of.get(name, -1) for name in found], np.int32)[codes]
    if not wanted:
        name = layout.names[layout.symbol]
        notes.report_rows(
            "error",
            "no-symbol",
            np.flatnonzero(chosen < 0),
            f"{{rows}} without a symbol in column {name!r}",
            "Fill it in, or remove the lines.",
        )
    else:
        others = and_more([name for name in known if name not in kept] or ["no symbol"])
        notes.report_rows(
            "info",
            "other-symbols",
            np.flatnonzero(chosen < 0),
            f"{{rows}} of {others}: left out, since other symbols were requested",
            with_lines=False,  # most of a large file
        )
    return Selection(layout.groups[0], tuple(kept), chosen)


def _check(path: Path, wanted: Sequence[str], known: Sequence[str]) -> None:
    for symbol in wanted:
        if symbol not in known:
            raise no_such_symbol(path, symbol, tuple(known))


def _are_blank(records: Records, rows: Rows) -> NDArray[np.bool_]:
    blank = np.ones(len(rows), bool)
    for texts in records.columns:
        cells = pc.utf8_trim_whitespace(texts.take(pa.array(rows)))
        blank &= pc.equal(pc.utf8_length(cells), 0).to_numpy()
    return blank
