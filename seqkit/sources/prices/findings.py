"""What was found in a file, line by line: what was left out, what is odd, what is wrong."""

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
    """One thing that was found, in as many lines as it is so."""

    severity: Severity
    """`"error"`: the file is not read before it is settled; `"warning"`: rows were left out, or something is
    odd; `"info"`: what was decided."""
    kind: str
    """A short name that stays, for programs: `"missing-price"`, `"duplicate"`, ..."""
    message: str
    """In one line; it names the first lines itself."""
    lines: tuple[int, ...] = ()
    """Where it is so, counted from 1; all of them."""
    rows: int = 0
    """How many rows are not in the table because of it; each row is counted by one finding."""
    remedy: str = ""
    """What to do about an error."""

    @property
    def line(self) -> int | None:
        """The first of the lines."""
        return self.lines[0] if self.lines else None


def raise_errors(path: Path, findings: Sequence[Finding]) -> None:
    """Raise the first error among the findings, and say how many more there are.

    Raises:
        SourceError: there is one.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    message = f"{path}: {errors[0].message}."
    if errors[0].remedy:
        message += f"\n  {errors[0].remedy}"
    if len(errors) > 1:
        more = "1 more kind of mistake" if len(errors) == 2 else f"{len(errors) - 1} more kinds of mistakes"
        message += f"\n  And {more}: seqkit inspect {path}"
    raise SourceError(message)


def at_lines(lines: Sequence[int]) -> str:
    """`"line 8"`, `"lines 8 and 9"`, `"lines 8, 9, 12, 13, 17 and 285 more"`."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    return "lines " + and_more([str(line) for line in lines])


def and_more(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    if len(names) > SHOWN_LINES:
        return f"{', '.join(names[:SHOWN_LINES])} and {len(names) - SHOWN_LINES:,} more"
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def shown_cell(cell: str) -> str:
    """What a message says of a cell, on one line."""
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
