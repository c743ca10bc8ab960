"""The formats of dates in price files, and the possible days for cells of each format."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqkit.sources.prices.clock import read_time

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
    "year first": r"^(?P<year>\d{4})[-/.年년] ?(?P<month>\d{1,2})[-/.月월] ?(?P<day>\d{1,2})[日일.]?",
    "numbers": rf"^(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<second>\d{{1,2}})[-/.]{_YEAR}",
    "day and name": rf"^{_WEEKDAY}(?P<day>\d{{1,2}})[-/. ]{{1,2}}{_NAME}[-/., ]{{1,2}}{_YEAR}",
    "name and day": rf"^{_WEEKDAY}{_NAME}[-. ]{{1,2}}(?P<day>\d{{1,2}})[-, ]{{1,2}}{_YEAR}",
    "compact": r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?P<time>(?:\d{2}){0,3})",
    "unix": r"^(?P<seconds>\d{9,10}?)(?P<further>\d{3}|\d{6}|\d{9})?(?P<fraction>\.\d*)?",
}
FORMS = {form: pattern + _REST for form, pattern in FORMS.items()}
DIGITS = ("compact", "unix")
"""Formats that could also be a volume: only the name of the column shows that they are dates."""
FIRST_YEAR = 1800
"""Earliest year of a price file: so 1672617600 is a second of Unix time, and 2024010100 is an hour."""

_COMPILED = {form: re.compile(pattern) for form, pattern in FORMS.items()}


TextOf: TypeAlias = Callable[[str], Any]
"""Returns a named group of a format as a pyarrow array of strings, `(matched,)`."""


class Match(NamedTuple):
    """The dates in one format."""

    places: NDArray[np.intp]
    """Indices of the cells in this format, `(matched,)`."""
    days: NDArray[np.datetime64]
    """`(matched,)`; NaT if the day does not exist."""
    rest: Any
    """The text after the date, such as the time of day: a pyarrow array `(matched,)`."""
    readings: Mapping[str, NDArray[np.datetime64]] = MappingProxyType({})
    """The days if the day is first, if the month is first and, if possible, if the year is, `(matched,)`."""


def looks_like_date(cell: str, digits: bool = False) -> bool:
    """Whether a cell has the format of a date; `digits` also accepts formats of only digits."""
    for form, pattern in _COMPILED.items():
        found = pattern.match(cell.strip()) if digits or form not in DIGITS else None
        if found and read_time(found["rest"]) is not None:
            return not found.groupdict().get("name") or found["name"].lower() in MONTH_OF_NAME
    return False


def likely_first(values: Any) -> list[str]:
    """The formats, the one of the first date first: most files have only one."""
    for cell in values[:20].to_pylist():
        for form, pattern in _COMPILED.items():
            if cell and pattern.match(cell):
                return [form, *(other for other in FORMS if other != form)]
    return list(FORMS)


def match(form: str, values: Any) -> Match:
    """The dates in one format among distinct cells, a pyarrow array of strings."""
    groups = pc.extract_regex(values, FORMS[form])
    places = np.flatnonzero(groups.is_valid().to_numpy(zero_copy_only=False))
    groups = groups.drop_null()

    def texts(name: str) -> Any:
        return pc.struct_field(groups, name)

    def numbers(name: str) -> NDArray[np.int64]:
        return np.asarray(texts(name).cast(pa.int64()).to_numpy())

    if form == "unix":
        return Match(places, _of_unix(texts("seconds"), texts("further"), texts("fraction")), texts("rest"))
    if form == "numbers":
        readings = _readings(numbers("first"), numbers("second"), numbers("year"), texts)
        return Match(places, readings["day first"], texts("rest"), readings)
    year = _four_digits(numbers("year"), texts("year"))
    if form in ("day and name", "name and day"):
        names = pa.array(list(MONTH_OF_NAME))
        which = pc.index_in(pc.utf8_lower(texts("name")), value_set=names).fill_null(-1).to_numpy()
        day, month = numbers("day"), np.array([*MONTH_OF_NAME.values(), 0])[which]
    else:
        day, month = numbers("day"), numbers("month")
    days = _days(year, month, day)
    if form == "compact":
        return _of_compact(places, year, days, texts)
    return Match(places, days, texts("rest"))


def _readings(
    first: NDArray[np.int64], second: NDArray[np.int64], third: NDArray[np.int64], texts: TextOf
) -> dict[str, NDArray[np.datetime64]]:
    """The possible readings of `03/04/21`: with the day, the month or the year first."""
    year = _four_digits(third, texts("year"))
    found = {"day first": _days(year, second, first), "month first": _days(year, first, second)}
    digits = [pc.utf8_length(texts(name)).to_numpy() for name in ("first", "year")]
    if all(np.all(lengths == 2) for lengths in digits):
        found["year first"] = _days(_four_digits(first, texts("first")), second, third)
    return found


def _four_digits(year: NDArray[np.int64], texts: Any) -> NDArray[np.int64]:
    """Years of two or four digits as four digits. The year of a price is never in the future."""
    short = pc.utf8_length(texts).to_numpy() == 2
    this_century = np.where(2000 + year <= datetime.date.today().year, 2000, 1900)
    return np.asarray(year + short * this_century)


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> NDArray[np.datetime64]:
    exists = (month >= 1) & (month <= 12) & (day >= 1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days: NDArray[np.datetime64] = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    days[~exists | (days.astype("datetime64[M]") != months)] = np.datetime64("NaT")
    return days


def _of_compact(
    places: NDArray[np.intp], year: NDArray[np.int64], days: NDArray[np.datetime64], texts: TextOf
) -> Match:
    """`20240131`, with an optional `HH`, `HHMM` or `HHMMSS`, unless the column holds Unix times.

    Ten and twelve digits can be either. The column gets the reading that makes sense for most such cells.
    """
    time = texts("time")
    digits = pc.utf8_length(time).to_numpy()
    can_be_unix = np.isin(digits, [2, 4])
    hour = pc.if_else(pc.equal(time, ""), "0", pc.utf8_slice_codeunits(time, 0, 2)).cast(pa.int64())
    sensible = ~np.isnat(days) & (year >= FIRST_YEAR) & (year < 2100) & (hour.to_numpy() < 24)
    kept = np.ones(len(places), bool)
    if np.count_nonzero(sensible[can_be_unix]) * 2 <= np.count_nonzero(can_be_unix):
        kept = ~can_be_unix
    # `clock.read_time` does not accept an hour without minutes.
    minutes = pc.if_else(pc.equal(pc.utf8_length(time), 2), "00", "")
    rest = pc.binary_join_element_wise(time, minutes, texts("rest"), "")
    return Match(places[kept], days[kept], rest.filter(pa.array(kept)))


def _of_unix(seconds: Any, further: Any, fraction: Any) -> NDArray[np.datetime64]:
    """Unix times in seconds, or in thousandths, millionths or billionths, with or without a fraction."""
    extra = pc.if_else(pc.equal(further, ""), "0", further).cast(pa.int64()).to_numpy()
    unit_us = 10.0 ** (6 - pc.utf8_length(further).to_numpy())
    part = pc.if_else(pc.less(pc.utf8_length(fraction), 2), "0", fraction).cast(pa.float64()).to_numpy()
    microseconds = np.floor((extra + part) * unit_us + 1e-6).astype(np.int64)
    whole = np.asarray(seconds.cast(pa.int64()).to_numpy(), np.int64)
    return np.asarray(whole * 1_000_000 + microseconds).astype("datetime64[us]")
