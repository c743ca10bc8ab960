"""The forms that dates have in price files, and whether the day or the month stands first."""

from __future__ import annotations

import datetime
import re
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqkit.sources.prices.clock import read_time
from seqkit.sources.prices.findings import shown_cell

_MONTHS = {
    1: "jan january januar",
    2: "feb february februar",
    3: "mar march mär märz mrz",
    4: "apr april",
    5: "may may mai",
    6: "jun june juni",
    7: "jul july juli",
    8: "aug august",
    9: "sep sept september",
    10: "oct october okt oktober",
    11: "nov november",
    12: "dec december dez dezember",
}
MONTH_OF_NAME = {name: month for month, names in _MONTHS.items() for name in names.split()}

_WEEKDAY = r"(?:[A-Za-z]{2,9}[,.]? )?"
_NAME = r"(?P<name>[A-Za-zä]{3,9})"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_REST = r"(?P<rest>(?:\D.*)?)$"

FORMS = {
    "year first": r"^(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})",
    "numbers": rf"^(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<second>\d{{1,2}})[-/.]{_YEAR}",
    "day and name": rf"^{_WEEKDAY}(?P<day>\d{{1,2}})[-/. ]{{1,2}}{_NAME}[-/., ]{{1,2}}{_YEAR}",
    "name and day": rf"^{_WEEKDAY}{_NAME}[-. ]{{1,2}}(?P<day>\d{{1,2}})[-, ]{{1,2}}{_YEAR}",
    "compact": r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    "unix": r"^(?P<seconds>\d{10})(?P<milliseconds>\d{3})?",
}
FORMS = {form: pattern + _REST for form, pattern in FORMS.items()}
DIGITS = ("compact", "unix")
"""Forms that can as well be a volume: only a column's name can say that they are dates."""

_TIME_FORMATS = {" 0:0": " %H:%M", " 0:0:0": " %H:%M:%S", "T0:0": "T%H:%M", "T0:0:0": "T%H:%M:%S"}

_COMPILED = {form: re.compile(pattern) for form, pattern in FORMS.items()}


class Match(NamedTuple):
    """The dates of one form."""

    places: NDArray[np.intp]
    """Which of the cells have the form, `(matched,)`."""
    days: NDArray[np.datetime64]
    """`(matched,)`; NaT where there is no such day."""
    rest: Any
    """What stands behind the date: a pyarrow array `(matched,)`."""
    undecided: int | None = None
    """The first of them whose day and month cannot be told apart, if none of them settles it."""


def looks_like_date(cell: str, digits: bool = False) -> bool:
    """Whether a cell has the form of a date; of nothing but digits only if asked for."""
    for form, pattern in _COMPILED.items():
        found = pattern.match(cell.strip()) if digits or form not in DIGITS else None
        if found and read_time(found["rest"]) is not None:
            return not found.groupdict().get("name") or found["name"].lower() in MONTH_OF_NAME
    return False


def both_readings(cell: str) -> str:
    """The two things that `03/04/2021` can be, and how to say which it is."""
    found = _COMPILED["numbers"].match(cell.strip())
    assert found is not None, cell
    first, second, mark, year = int(found["first"]), int(found["second"]), found["mark"], found["year"]
    of_year = "%Y" if len(year) == 4 else "%y"
    time = _TIME_FORMATS.get(re.sub(r"\d+", "0", found["rest"]), "")
    formats = [f"%d{mark}%m{mark}{of_year}{time}", f"%m{mark}%d{mark}{of_year}{time}"]
    names = [names.split()[1].title() for names in _MONTHS.values()]
    readings = f"{first} {names[second - 1]} or {second} {names[first - 1]}"
    return (
        f"'{shown_cell(cell)}' could be {readings}, and no row settles it.\n"
        f'  Pass date_format="{formats[0]}" or date_format="{formats[1]}".'
    )


def likely_first(values: Any) -> list[str]:
    """The forms, beginning with that of the first cell that has one: most files have one only."""
    for cell in values[:20].to_pylist():
        for form, pattern in _COMPILED.items():
            if cell and pattern.match(cell):
                return [form, *(other for other in FORMS if other != form)]
    return list(FORMS)


def match(form: str, values: Any) -> Match:
    """The dates among distinct cells, a pyarrow array of strings, that have a form."""
    groups = pc.extract_regex(values, FORMS[form])
    places = np.flatnonzero(groups.is_valid().to_numpy(zero_copy_only=False))
    groups = groups.drop_null()

    def texts(name: str) -> Any:
        return pc.struct_field(groups, name)

    def numbers(name: str) -> NDArray[np.int64]:
        return np.asarray(texts(name).cast(pa.int64()).to_numpy())

    if form == "unix":
        return Match(places, *_of_unix(numbers("seconds"), texts("milliseconds"), texts("rest")))
    year = numbers("year")
    # A price is never one of the future.
    short = pc.utf8_length(texts("year")).to_numpy() == 2
    this_century = np.where(2000 + year <= datetime.date.today().year, 2000, 1900)
    year = year + short * this_century
    undecided = None
    if form == "numbers":
        first, second = numbers("first"), numbers("second")
        day_first = _day_first(first, second, texts("mark").to_pylist()[:1])
        undecided = int(np.argmax(first != second)) if day_first is None else None
        day, month = (first, second) if day_first else (second, first)
    elif form in ("day and name", "name and day"):
        names = pa.array(list(MONTH_OF_NAME))
        which = pc.index_in(pc.utf8_lower(texts("name")), value_set=names).fill_null(-1).to_numpy()
        day, month = numbers("day"), np.array([*MONTH_OF_NAME.values(), 0])[which]
    else:
        day, month = numbers("day"), numbers("month")
    return Match(places, _days(year, month, day), texts("rest"), undecided)


def _day_first(first: NDArray[np.int64], second: NDArray[np.int64], marks: list[str]) -> bool | None:
    """Whether the day stands first; None where no date settles it."""
    if np.any(first > 12):
        return True
    if np.any(second > 12):
        return False
    # With points, as in 10.09.08, the day stands first wherever such dates are written.
    return True if marks == ["."] or np.all(first == second) else None


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> NDArray[np.datetime64]:
    exists = (month >= 1) & (month <= 12) & (day >= 1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days: NDArray[np.datetime64] = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    days[~exists | (days.astype("datetime64[M]") != months)] = np.datetime64("NaT")
    return days


def _of_unix(seconds: NDArray[np.int64], milliseconds: Any, rest: Any) -> tuple[NDArray[np.datetime64], Any]:
    known = pc.if_else(pc.equal(milliseconds, ""), "0", milliseconds).cast(pa.int64()).to_numpy()
    return (seconds * 1000 + known).astype("datetime64[ms]"), rest
