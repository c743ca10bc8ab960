"""Collect findings: rows become line numbers, and each row that is left out is counted once."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seqkit.sources.prices.calendar import looks_like_date
from seqkit.sources.prices.findings import Finding, Severity, at_lines, count, shown_cell
from seqkit.sources.prices.records import Records, Rejected

Rows = NDArray[np.intp]
NO_ROWS: Rows = np.empty(0, np.intp)

_SEVERITIES: list[Severity] = ["error", "warning", "info"]


class Notes:
    """Collects findings about the rows of a file."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._notes: list[tuple[Finding, Rows]] = []

    def report(
        self, severity: Severity, kind: str, message: str, remedy: str = "", lines: tuple[int, ...] = ()
    ) -> None:
        """Add a finding about the whole file, or about lines that are not rows."""
        self._notes.append((Finding(severity, kind, message, lines, remedy=remedy), NO_ROWS))

    def report_rows(
        self,
        severity: Severity,
        kind: str,
        rows: Rows,
        message: str,
        remedy: str = "",
        with_lines: bool = True,
    ) -> None:
        """Add a finding about rows, with their line numbers after the message; without rows, add nothing.

        `{rows}` in the message becomes `1 row`, `2 rows`, ...
        """
        if rows.size:
            lines = self._records.lines(rows) if with_lines else ()
            message = message.replace("{rows}", count(rows.size, "row"))
            message += f" ({at_lines(lines)})" if lines else ""
            self._notes.append((Finding(severity, kind, message, lines, remedy=remedy), rows))

    def report_cells(
        self, severity: Severity, kind: str, rows: Rows, column: int, name: str, says: str, remedy: str = ""
    ) -> None:
        """Add a finding about cells of a column; `{}` in `says` becomes the content of the first of them."""
        if rows.size:
            lines = self._records.lines(rows)
            cell = shown_cell(self._records.columns[column][int(rows[0])].as_py())
            message = f"line {lines[0]}, column {name!r}: {says.replace('{}', cell)}{_same_in(lines)}"
            self._notes.append((Finding(severity, kind, message, lines, remedy=remedy), rows))

    def report_rejected(self, width: int) -> int:
        """Add findings about rows with a wrong number of cells; return their number, without blank lines."""
        rejected = [row for row in self._records.rejected if row.text.strip()]
        total = self._records.size + len(self._records.rejected)
        footers = _places_at_the_end(self._records.rejected, total)
        kinds: dict[str, list[Rejected]] = {"comment": [], "footer": [], "wrong-width": []}
        for row in rejected:
            is_footer = row.place in footers and not row.text[0].isdigit() and not self._has_date(row)
            kind = "comment" if row.text.startswith("#") else "footer" if is_footer else "wrong-width"
            kinds[kind].append(row)
        for kind, rows in kinds.items():
            if rows:
                self._report_kind(kind, rows, width)
        return len(rejected)

    def report_footers(self, rows: Rows) -> None:
        """Add a finding about rows at the end of the file with the right number of cells but no data."""
        if rows.size:
            lines = self._records.lines(rows)
            cells = [column[int(rows[0])].as_py() for column in self._records.columns]
            text = shown_cell(", ".join(cell.strip() for cell in cells if cell.strip()))
            message = _no_row(lines, text)
            self._notes.append((Finding("warning", "footer", message, lines), rows))

    @property
    def has_errors(self) -> bool:
        """Whether there is an error so far."""
        return any(finding.severity == "error" for finding, _ in self._notes)

    def finish(self, kept: NDArray[np.bool_]) -> tuple[Finding, ...]:
        """The findings, errors first; a row that is not kept is counted by the first finding about it."""
        left_out = ~kept
        findings: dict[Finding, int] = {}
        for finding, rows in self._notes:
            counted = rows[left_out[rows]]
            left_out[counted] = False
            # In a wide file, several symbols can have the same finding about the same lines.
            findings[finding] = findings.get(finding, finding.rows) + len(counted)
        assert not left_out.any(), "a row was left out, and no finding says why"
        return tuple(
            sorted(
                (replace(finding, rows=rows) for finding, rows in findings.items()),
                key=lambda found: (_SEVERITIES.index(found.severity), found.line or sys.maxsize),
            )
        )

    def _has_date(self, row: Rejected) -> bool:
        cells = next(csv.reader([row.text], delimiter=self._records.delimiter), [])
        return any(looks_like_date(cell) for cell in cells)

    def _report_kind(self, kind: str, rows: Sequence[Rejected], width: int) -> None:
        lines = tuple(self._records.line_of_rejected(row) for row in rows)
        text = shown_cell(rows[0].text)
        severity: Severity = "info" if kind == "comment" else "warning" if kind == "footer" else "error"
        message = {
            "comment": f"line {lines[0]} is a comment: {text!r}",
            "footer": _no_row(lines, text),
            "wrong-width": f"line {lines[0]} has {count(rows[0].cells, 'cell')}, but the header has {width} "
            f"names: {text!r}",
        }[kind]
        remedy = "Correct the line, or remove it." if kind == "wrong-width" else ""
        message += "" if kind == "footer" else _same_in(lines)
        self._notes.append((Finding(severity, kind, message, lines, len(lines), remedy), NO_ROWS))


def _no_row(lines: Sequence[int], text: str) -> str:
    return f"line {lines[0]} is not a row of the table and is left out: {text!r}{_same_in(lines)}"


def _same_in(lines: Sequence[int]) -> str:
    return f"; the same in {at_lines(lines[1:])}" if lines[1:] else ""


def _places_at_the_end(rejected: Sequence[Rejected], total: int) -> set[int]:
    """The places after the last row that was read."""
    places: set[int] = set()
    for row in reversed(rejected):
        if row.place != total - 1 - len(places):
            break
        places.add(row.place)
    return places
