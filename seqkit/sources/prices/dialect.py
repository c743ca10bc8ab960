"""The dialect of a file: its delimiter, its decimal mark, and the position of its header."""

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
HEAD_BYTES = 1 << 17  # the maximum length of a cell in Python's csv
HEAD_LINES = 100
HEADER_ROWS = 3
"""Maximum number of header rows. yfinance writes three: the fields, the symbols, the name of the index."""

_SEPARATOR = re.compile(r'"?sep=."?', re.IGNORECASE)  # a line for Excel before the header


@dataclass(frozen=True)
class Dialect:
    """The dialect of a file."""

    delimiter: str
    decimal: Decimal
    open_cell: str | None
    """A number such as 1,234, if nothing in the first lines shows what its mark is."""
    header: tuple[tuple[str, ...], ...]
    """The rows of the header, one in most files; all of the same width."""
    header_lines: tuple[int, ...]
    """The line numbers of these rows."""
    skipped: tuple[int, ...]
    """The non-empty lines above the header: comments, a title."""
    sample: tuple[tuple[str, ...], ...]
    """The first rows below the header that have its width."""

    @property
    def first_line(self) -> int:
        """The line number of the first line below the header."""
        return self.header_lines[-1] + 1


def find_dialect(
    path: Path, head: str, delimiter: str | None = None, decimal: Decimal | None = None
) -> Dialect:
    """Find the dialect of a file from its first lines.

    Raises:
        SourceError: the lines are not a table, or the table has no header.
    """
    lines = head.split("\n", HEAD_LINES)[:HEAD_LINES]
    tables = [_table(lines, candidate) for candidate in ([delimiter] if delimiter else DELIMITERS)]
    best = max(tables, key=lambda table: table.score)
    if best.width < 2:
        shown = shown_cell(lines[_first_of(lines)])
        raise SourceError(
            f"{path} is not a table: no line is divided by commas, semicolons, tabs or bars (|); it starts "
            f"with {shown!r}.\n"
            "  A price file has a header and rows, such as Date,Close and 2021-05-14,127.45."
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
    """The first lines of a file, divided at one delimiter."""

    delimiter: str
    rows: list[tuple[int, list[str]]]
    """Line number and cells, without comments and empty lines."""
    width: int
    """The most frequent number of cells, among rows with more than one."""
    header: int
    """Index of the first row of that width."""

    @property
    def is_headless(self) -> bool:
        """Whether the first row of the right width is already data."""
        cells = self.rows[self.header][1]
        # If the delimiter is wrong, a date is at the beginning of a longer cell.
        dates = (looks_like_date(re.split(r"[;\t|]", cell)[0]) for cell in cells)
        return any(dates) or all(is_number(cell) for cell in cells if cell)

    @property
    def score(self) -> tuple[bool, float, int]:
        """A higher score means a better table."""
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
    """Number of rows below the first header row that belong to the header: they contain only names."""
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
            f"{path}: line {above} has {len(names)} names, but the rows below it have {len(cells)} cells.\n"
            "  Give each column a name."
        )
    return SourceError(
        f"{path} has no header: line {line} is already a row ({shown_cell(table.delimiter.join(cells))}).\n"
        "  Add a line with the names of the columns above it, such as Date,Open,High,Low,Close,Volume."
    )
