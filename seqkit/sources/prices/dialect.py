"""How a file is written: its delimiter, its decimal mark, and where its header is."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seqkit.errors import SourceError
from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.findings import shown_cell
from seqkit.sources.prices.numbers import find_decimal, is_missing, is_number
from seqkit.sources.prices.options import Decimal

DELIMITERS = (",", ";", "\t", "|")
HEAD_BYTES = 1 << 17  # no more than a cell may be long in Python's csv
HEAD_LINES = 100
HEADER_ROWS = 3
"""yfinance writes so many: the fields, the symbols, and the name of the index."""

_SEPARATOR = re.compile(r'"?sep=."?', re.IGNORECASE)  # what Excel reads before the header


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    delimiter: str
    decimal: Decimal
    open_cell: str | None
    """A number such as 1,234 where nothing in the head says what its mark is."""
    header: tuple[tuple[str, ...], ...]
    """The rows of the header, most files have one; all of one width."""
    header_lines: tuple[int, ...]
    """The lines that these stand in."""
    skipped: tuple[int, ...]
    """The lines above the header that say something: comments, a title."""
    sample: tuple[tuple[str, ...], ...]
    """The first rows below it that have the header's width."""

    @property
    def first_line(self) -> int:
        """The number of the line below the header."""
        return self.header_lines[-1] + 1


def find_dialect(
    path: Path, head: str, delimiter: str | None = None, decimal: Decimal | None = None
) -> Dialect:
    """The dialect that the first lines of a file speak.

    Raises:
        SourceError: there is no table in them, or it has no header.
    """
    lines = head.split("\n", HEAD_LINES)[:HEAD_LINES]
    tables = [_table(lines, candidate) for candidate in ([delimiter] if delimiter else DELIMITERS)]
    best = max(tables, key=lambda table: table.score)
    if best.width < 2:
        shown = shown_cell(lines[_first_of(lines)])
        raise SourceError(
            f"{path} is no table: no line is divided by a comma, a semicolon, a tab or a bar; it starts "
            f"{shown!r}.\n  A price file has a header and rows, such as Date,Close and 2021-05-14,127.45."
        )
    if best.is_headless:
        raise _no_header(path, best)
    below = best.rows[best.header + 1 :]
    extra = _further_header_rows([cells for _, cells in below], best.width)
    header = [best.rows[best.header], *below[:extra]]
    sample = tuple(tuple(cells) for _, cells in below[extra:] if len(cells) == best.width)
    numbers = (cell for cells in sample for cell in cells if not looks_like_date(cell))
    found, open_cell = find_decimal(numbers, best.delimiter)
    return Dialect(
        best.delimiter,
        decimal or found,
        None if decimal else open_cell,
        tuple(tuple(_printable(cell) for cell in cells) for _, cells in header),
        tuple(line for line, _ in header),
        tuple(number for number, line in enumerate(lines[: header[0][0] - 1], 1) if line.strip()),
        sample,
    )


@dataclass(frozen=True)
class _Table:
    """The first lines of a file, divided by one delimiter."""

    delimiter: str
    rows: list[tuple[int, list[str]]]
    """Line number and cells, without comments and empty lines."""
    width: int
    """How many cells most rows have that have more than one."""
    header: int
    """The first row of that width."""

    @property
    def is_headless(self) -> bool:
        """Whether the first row of the right width is one of the data."""
        cells = self.rows[self.header][1]
        # Divided at the wrong delimiter, a date stands at the beginning of a cell.
        dates = (looks_like_date(re.split(r"[;\t|]", cell)[0]) for cell in cells)
        return any(dates) or all(is_number(cell) for cell in cells if cell)

    @property
    def score(self) -> tuple[bool, float, int]:
        """The higher, the more a table it is."""
        if self.width < 2:
            return (False, 0.0, 0)
        below = self.rows[self.header :]
        regular = sum(len(cells) == self.width for _, cells in below) / len(below)
        return (not self.is_headless, regular, self.width)


def _table(lines: list[str], delimiter: str) -> _Table:
    rows = [
        (number, next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), []))
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#") and not _SEPARATOR.fullmatch(line)
    ]
    widths = Counter(len(cells) for _, cells in rows if len(cells) > 1)
    width = max(widths, key=lambda width: (widths[width], width), default=0)
    header = next((index for index, (_, cells) in enumerate(rows) if len(cells) == width), 0)
    return _Table(delimiter, rows, width, header)


def _further_header_rows(rows: list[list[str]], width: int) -> int:
    """How many of the rows below the first of the header belong to it: those of nothing but names."""
    for count, cells in enumerate(rows[:HEADER_ROWS]):
        if any(looks_like_date(cell, digits=True) for cell in cells):
            return count
        names_the_index = cells[0] and not any(cells[1:])
        has_names = not any(is_number(cell) or is_missing(cell) for cell in cells[1:])
        if len(cells) != width or not (names_the_index or has_names):
            return 0
    return 0


def _printable(cell: str) -> str:
    return "".join(character for character in cell if character.isprintable()).strip()


def _first_of(lines: list[str]) -> int:
    return next((index for index, line in enumerate(lines) if line.strip() and line[0] != "#"), 0)


def _no_header(path: Path, table: _Table) -> SourceError:
    line, cells = table.rows[table.header]
    if table.header and len(table.rows[table.header - 1][1]) > 1:
        above, names = table.rows[table.header - 1]
        return SourceError(
            f"{path}: line {above} has {len(names)} names, and the rows below it have {len(cells)} cells.\n"
            "  Give each column a name."
        )
    return SourceError(
        f"{path} has no header: line {line} is already a row ({shown_cell(table.delimiter.join(cells))}).\n"
        "  Put a line with the names of the columns above it, such as Date,Open,High,Low,Close,Volume."
    )
