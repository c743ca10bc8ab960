"""Find out whether the day, the month or the year is first in dates such as `03/04/21`."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqkit.sources.prices.findings import shown_cell
from seqkit.sources.prices.spelling import Spelling

Days = NDArray[np.datetime64]

_CELL = re.compile(r"^(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4}|\d{2})((?:\D.*)?)$")
_TIME_FORMATS = {" 0:0": " %H:%M", " 0:0:0": " %H:%M:%S", "T0:0": "T%H:%M", "T0:0:0": "T%H:%M:%S"}
_FORMATS = {"day first": "%d{0}%m{0}{1}", "month first": "%m{0}%d{0}{1}", "year first": "%y{0}%m{0}%d"}
_MONTHS = list(calendar.month_name)[1:]


class Choice(NamedTuple):
    """The reading of a column, and an ambiguous cell if it is not clear."""

    days: Days
    """`(cells,)`; NaT if a cell is not a date in this reading."""
    undecided: int | None = None
    """The first cell with different days in two readings, if nothing decides between them."""


def choose_reading(
    readings: Mapping[str, Days], are_in_order: Callable[[Days], bool], with_points: bool
) -> Choice:
    """The reading that leaves the file in ascending or descending order.

    If there is none, a day after the twelfth still decides between the day and the month. Nothing decides if
    the first two digits can also be a year.

    Args:
        readings: the days of each reading, `(cells,)`: day first, month first, and if possible year first.
        are_in_order: whether the rows of the file are in ascending or descending order of such days.
        with_points: whether the cells have points, as in `10.09.08`. In such dates the month is never first.
            In a tie, the shorter period is right: rows are days apart, not years.
    """
    missing = {name: int(np.count_nonzero(np.isnat(days))) for name, days in readings.items()}
    whole = [name for name in readings if not missing[name]]
    plausible = [name for name, days in readings.items() if 2 * missing[name] < len(days)]
    ordered = [name for name in plausible if are_in_order(readings[name])]
    found = [name for name in ordered if name in whole]
    if found == ["year first"]:
        found = ordered  # a cell can be invalid in the other reading
    elif not found and "year first" in plausible and (whole or not ordered):
        found = plausible
    elif not found and whole:
        found = whole
    elif not found:
        found = [min(ordered or readings, key=lambda name: missing[name])]
    if with_points and "day first" in ordered and "day first" in found:
        return Choice(min((readings[name] for name in found if name != "month first"), key=_span))
    first = readings[found[0]]
    differ = np.any([readings[name] != first for name in found[1:]], axis=0)
    return Choice(first, int(np.argmax(differ)) if np.any(differ) else None)


def _span(days: Days) -> np.timedelta64:
    known = days[~np.isnat(days)]
    span: np.timedelta64 = known.max() - known.min()
    return span


def say_readings(cell: str, spell: Spelling) -> str:
    """The possible readings of `03/04/2021`, and the option for each, as a message."""
    found = _CELL.match(cell.strip())
    assert found is not None, cell
    first, mark, second, year, rest = found.groups()
    time = _TIME_FORMATS.get(re.sub(r"\d+", "0", rest), "")
    parts = {"day first": (first, second, year), "month first": (second, first, year)}
    if len(first) == len(year) == 2:
        parts["year first"] = (year, second, first)
    said, formats = [], []
    for name, (day, month, of_year) in parts.items():
        if 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
            full = f" of the year {of_year}" if len(year) == 2 else ""
            said.append(f"{int(day)} {_MONTHS[int(month) - 1]}{full}")
            form = _FORMATS[name].format(mark, "%Y" if len(year) == 4 else "%y") + time
            formats.append(spell("date_format", form))
    return (
        f"'{shown_cell(cell)}' could be {_either(said)}, and no row shows which.\n  Pass {_either(formats)}."
    )


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if words[1:] else words[0]
