"""Findings about a file and its lines: what was left out, what is odd, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from seqkit.errors import SourceError

Severity: TypeAlias = Literal["info", "warning", "error"]

SHOWN_LINES = 5
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Finding:
    """One finding, with all the lines it applies to."""

    severity: Severity
    """`"error"`: the file is not read until this is corrected; `"warning"`: rows were left out, or something
    is odd; `"info"`: a decision of the reader."""
    kind: str
    """A short, stable name for programs: `"missing-price"`, `"duplicate"`, ..."""
    message: str
    """Message on one line; it includes the first line numbers."""
    lines: tuple[int, ...] = ()
    """All line numbers it applies to, counted from 1."""
    rows: int = 0
    """Number of rows left out of the table because of it; each row is counted by only one finding."""
    remedy: str = ""
    """What to do about an error."""

    @property
    def line(self) -> int | None:
        """The first of the lines."""
        return self.lines[0] if self.lines else None


def raise_errors(path: Path, findings: Sequence[Finding]) -> None:
    """Raise the first error among the findings, with the number of further errors.

    Raises:
        SourceError: there is an error among the findings.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    message = f"{path}: {errors[0].message}."
    if errors[0].remedy:
        message += f"\n  {errors[0].remedy}"
    if len(errors) > 1:
        more = "1 more kind of mistake" if len(errors) == 2 else f"{len(errors) - 1} more kinds of mistakes"
        message += f"\n  And {more}; to list all: seqkit inspect {path}"
    raise SourceError(message)


def at_lines(lines: Sequence[int]) -> str:
    """`"line 8"`, `"lines 8 and 9"`, `"lines 8, 9, 12, 13, 17 and 285 more"`."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    return "lines " + and_more([str(line) for line in lines])


def and_more(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    if len(names) > SHOWN_LINES:
        return f"{', '.join(names[:SHOWN_LINES])} and {len(names) - SHOWN_LINES:,} more"
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def shown_cell(cell: str) -> str:
    """A cell as shown in a message, shortened and on one line."""
    shown = "".join(character for character in " ".join(cell.split()) if character.isprintable())
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "…"


def shown_number(value: float) -> str:
    """A number to ten digits, without an exponent: `"1,826"`, `"273.36"`, `"0.0000711"`."""
    digits = np.format_float_positional(float(f"{value:.10g}"), trim="-")
    whole, point, fraction = digits.partition(".")
    return f"{int(whole):,}{point}{fraction}" if whole.lstrip("-") else digits


def count(number: int, noun: str) -> str:
    """`"1 row"`, `"2 rows"`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
