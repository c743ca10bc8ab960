"""Read a column of dates in any broker's format, as local times of the exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seqkit.sources.prices import calendar
from seqkit.sources.prices.clock import read_time_or_hour, read_times
from seqkit.sources.prices.readings import Days, choose_reading
from seqkit.sources.prices.records import Texts


class Stamps(NamedTuple):
    """A column of dates, by row."""

    local: NDArray[np.datetime64]
    """`(rows,)`, in days or finer, in the exchange's local time; NaT if the date is missing or bad."""
    utc: NDArray[np.datetime64] | None
    """The same in UTC, if the file gives offsets."""
    bad: NDArray[np.intp]
    """Rows whose cells are neither a date nor empty."""
    undecided: int | None = None
    """The first row with several possible dates, if the order of day, month and year is ambiguous."""


def read_dates(
    texts: Texts,
    times: Texts | None = None,
    date_format: str | None = None,
    symbols: NDArray[np.int32] | None = None,
) -> Stamps:
    """The dates of a column.

    Args:
        texts: its cells.
        times: the cells of a column with the time of day, if there is one.
        date_format: the format as in `datetime.strptime`; default: detected.
        symbols: the symbol of each row, `(rows,)`, in a file with several symbols below each other.

    Raises:
        ValueError: the date format is invalid.
    """
    local = _plain(texts, timed=times is None) if date_format is None else None
    if local is not None:
        stamps = Stamps(local, None, np.empty(0, np.intp))
    else:
        stamps = _of_distinct(pc.utf8_trim_whitespace(texts), date_format, symbols)
    return stamps if times is None else _with_times(stamps, times)


def _plain(texts: Texts, timed: bool) -> NDArray[np.datetime64] | None:
    """Dates of cells that are all like `2021-05-14`, or all like `2021-05-14 09:30:00`, read by pyarrow."""
    for kind in (pa.date32(), pa.timestamp("s"), pa.timestamp("us")) if timed else (pa.date32(),):
        try:
            dates = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        if dates.null_count == 0:
            return np.asarray(dates.to_numpy())
    return None


def _of_distinct(texts: Texts, date_format: str | None, symbols: NDArray[np.int32] | None) -> Stamps:
    """Read each distinct cell once: a panel has the same dates for every symbol."""
    coded = pa.chunked_array(texts.chunks, pa.string()).combine_chunks().dictionary_encode()
    values, which = coded.dictionary, coded.indices.to_numpy()
    undecided = None
    if date_format is not None:
        local, offset_s = _by_format(values, date_format)
    else:
        local, offset_s, first = _by_form(values, lambda days: are_in_order(days[which], symbols))
        undecided = None if first is None else int(np.argmax(which == first))
    bad = np.isnat(local) & (pc.utf8_length(values).to_numpy() > 0)
    utc = None
    if not np.all(np.isnan(offset_s)):
        utc = local - np.nan_to_num(offset_s).astype("timedelta64[s]")
    return Stamps(local[which], None if utc is None else utc[which], np.flatnonzero(bad[which]), undecided)


def are_in_order(when: Days, symbols: NDArray[np.int32] | None) -> bool:
    """Whether the rows of each symbol are in ascending or descending order of date; NaT is skipped."""
    known = ~np.isnat(when)
    when = when[known]
    follows = np.ones(max(len(when) - 1, 0), bool)
    if symbols is not None:
        symbols = symbols[known]
        place = np.argsort(symbols, kind="stable")
        when, symbols = when[place], symbols[place]
        follows = symbols[1:] == symbols[:-1]
    steps = np.diff(when)[follows].astype(np.int64)
    return bool(np.all(steps >= 0) or np.all(steps <= 0))


def _by_form(
    values: Any, in_order: Callable[[Days], bool]
) -> tuple[NDArray[np.datetime64], NDArray[np.float64], int | None]:
    """The local times and offsets of distinct cells, and the first ambiguous cell, if their order is unclear.

    Args:
        values: the cells.
        in_order: whether the rows of the file are in order for given days of the cells.
    """
    local = np.full(len(values), np.datetime64("NaT", "us"))
    offset_s = np.full(len(values), np.nan)
    undecided = None
    left = np.arange(len(values))
    for form in calendar.likely_first(values):
        if not left.size:
            break
        found = calendar.match(form, values.take(pa.array(left)))
        times = read_times(found.rest)
        matched = left[found.places]
        days = found.days
        if found.readings and len(days):

            def leave_in_order(days: Days, matched: NDArray[np.intp] = matched) -> bool:
                every = np.full(len(values), np.datetime64("NaT", "D"))
                every[matched] = days
                return in_order(every)

            with_points = "." in values[int(matched[0])].as_py()[:3]
            days, first = choose_reading(found.readings, leave_in_order, with_points)
            undecided = None if first is None else int(matched[first])
        local[matched] = days.astype("datetime64[us]") + times.since_midnight
        offset_s[matched] = times.offset_s
        left = np.delete(left, found.places)
    return local, offset_s, undecided


def _by_format(values: Any, date_format: str) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    import pandas as pd

    zoned = "%z" in date_format
    read = pd.to_datetime(values.to_pandas(), format=date_format, errors="coerce", utc=zoned)
    local = read.dt.tz_localize(None).to_numpy("datetime64[us]")
    if not zoned:
        return local, np.full(len(values), np.nan)
    zones = pc.struct_field(pc.extract_regex(values, r"(?P<zone>Z|[+-]\d{2}:?\d{2})$"), "zone")
    offset_s = read_times(zones).offset_s
    return local + np.nan_to_num(offset_s).astype("timedelta64[s]"), offset_s


def _with_times(stamps: Stamps, texts: Texts) -> Stamps:
    times = read_times(pc.utf8_trim_whitespace(texts), read_time_or_hour)
    local = stamps.local + times.since_midnight
    bad = np.union1d(stamps.bad, np.flatnonzero(np.isnat(local) & ~np.isnat(stamps.local)))
    utc = stamps.utc
    if not np.all(np.isnan(times.offset_s)):
        utc = local - np.nan_to_num(times.offset_s).astype("timedelta64[s]")
    elif utc is not None:
        utc = utc + times.since_midnight
    return Stamps(local, utc, bad, stamps.undecided)


def finest_unit(stamps: Sequence[NDArray[np.datetime64]]) -> str:
    """`"D"` if all stamps are at midnight, `"s"` if all are whole seconds, else `"us"`: units of NumPy."""
    for unit in ("D", "s"):
        if all(_are_whole(when[:100], unit) for when in stamps) and all(
            _are_whole(when, unit) for when in stamps
        ):
            return unit
    return "us"


def _are_whole(when: NDArray[np.datetime64], unit: str) -> bool:
    return bool(np.all(when == when.astype(f"datetime64[{unit}]")))


def shown(stamp: np.datetime64) -> str:
    """A stamp in ISO 8601: a day, with the time of day if it is not midnight."""
    return str(stamp.astype(f"datetime64[{finest_unit([np.array([stamp])])}]"))
