"""The rows below the header, as columns of text, and their line numbers in the file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from seqkit.errors import SourceError
from seqkit.sources.prices.content import Data

CACHED = 1 << 18
"""Bytes parsed at a time: small enough for a processor's cache; also the maximum length of a line."""

Texts: TypeAlias = Any  # a pyarrow ChunkedArray of strings: pyarrow is not typed


class Rejected(NamedTuple):
    """A row that does not have the header's number of cells."""

    place: int
    """Index among all rows that are not empty lines, counted from 0."""
    cells: int
    text: str


class Records:
    """The rows of a file.

    Args:
        path: path of the file, for error messages.
        data: its text, in UTF-8.
        first_line: line number of the first line below its header.
        width: number of cells in a row.
        delimiter: character between cells.

    Raises:
        SourceError: a quotation mark is not closed on the same line, or a line is too long for a table.
    """

    def __init__(self, path: Path, data: Data, first_line: int, width: int, delimiter: str) -> None:
        self._data, self._first_line, self.delimiter = data, first_line, delimiter
        self._start = 0
        for _ in range(first_line - 1):
            self._start = data.find(b"\n", self._start) + 1 or len(data)
        self._end = len(data)
        while self._end > self._start and data[self._end - 1] == ord("\n"):
            self._end -= 1
        self.rejected: list[Rejected] = []
        self.columns: list[Texts] = [pa.chunked_array([], pa.string())] * width
        if self._end > self._start:
            self.columns = self._parse(path, width, delimiter)
        self.size = len(self.columns[0])
        """Number of rows that were read, without the rejected ones."""
        # Without a quotation mark, a line end cannot be inside a cell, so each line is a row.
        rows = self.size + len(self.rejected)
        if data.find(b'"') >= 0 and self._has_empty_lines and len(self._line_of_place) != rows:
            raise self._unclosed_quote(path)

    def lines(self, rows: NDArray[np.integer]) -> tuple[int, ...]:
        """Line numbers of rows, counted from 1."""
        return self._lines_of(self._place_of_row[rows] if self.rejected else rows)

    def line_of_rejected(self, rejected: Rejected) -> int:
        """Line number of a rejected row."""
        return self._lines_of(np.array([rejected.place]))[0]

    def _lines_of(self, places: NDArray[np.integer]) -> tuple[int, ...]:
        lines = self._line_of_place[places] if self._has_empty_lines else places + self._first_line
        return tuple(lines.tolist())

    @cached_property
    def every_row(self) -> NDArray[np.intp]:
        """Indices of all rows."""
        return np.arange(self.size)

    @cached_property
    def _has_empty_lines(self) -> bool:
        lines = np.count_nonzero(self._line_ends) + (self._end > self._start)
        return bool(lines != self.size + len(self.rejected))

    @property
    def _line_ends(self) -> NDArray[np.bool_]:
        return np.equal(np.frombuffer(self._body, np.uint8), ord("\n"))

    @property
    def _body(self) -> memoryview:
        return memoryview(self._data)[self._start : self._end]

    def _parse(self, path: Path, width: int, delimiter: str) -> list[Texts]:
        def reject(row: Any) -> str:
            self.rejected.append(Rejected(row.number - 1, row.actual_columns, row.text))
            return "skip"

        names = [str(index) for index in range(width)]
        try:
            table = csv.read_csv(
                pa.py_buffer(self._body),
                # Row numbers are known only with a single thread. Each cell stays text, because pyarrow
                # must not guess what it means (1,234 or 1.234,00).
                csv.ReadOptions(use_threads=False, column_names=names, block_size=max(CACHED, 100 * width)),
                csv.ParseOptions(delimiter=delimiter, invalid_row_handler=reject),
                csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), check_utf8=False),
            )
        except pa.ArrowInvalid as error:
            if self._data.find(b'"') >= 0:
                raise self._unclosed_quote(path) from error
            raise SourceError(f"{path} cannot be read as CSV: {error}.") from error
        return [table.column(index) for index in range(width)]

    @cached_property
    def _line_of_place(self) -> NDArray[np.int64]:
        """Line numbers of the non-empty lines."""
        ends = np.append(np.flatnonzero(self._line_ends), len(self._body))
        starts = np.concatenate([[0], ends[:-1] + 1])
        return np.flatnonzero(ends > starts) + self._first_line

    @cached_property
    def _place_of_row(self) -> NDArray[np.int64]:
        places = np.arange(self.size + len(self.rejected))
        return np.delete(places, [rejected.place for rejected in self.rejected])

    def _unclosed_quote(self, path: Path) -> SourceError:
        lines = bytes(self._body).split(b"\n")
        odd = next((index for index, line in enumerate(lines) if line.count(b'"') % 2), 0)
        return SourceError(
            f"{path}: line {self._first_line + odd}: a quotation mark is not closed on the same line.\n"
            "  Correct the line; a cell of a price file cannot continue on the next line."
        )
