"""The text after a date: the time of day, and the offset of the exchange's clocks from UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seqkit.sources.prices.records import Texts

_TIME = re.compile(
    r"""[T\s,]*
    (?:(?P<hour>\d{1,2}):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?
       \s*(?P<half>[AP]\.?M\.?)?)?
    \s*(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?\s*""",
    re.VERBOSE | re.IGNORECASE,
)


Time: TypeAlias = tuple[int, int | None]
"""Microseconds since midnight, and the offset of the clocks from UTC in seconds, if it is known."""


class Times(NamedTuple):
    """Times of day."""

    since_midnight: NDArray[np.timedelta64]
    """`(rows,)`, in microseconds; NaT if the text is not a time."""
    offset_s: NDArray[np.float64]
    """`(rows,)`, offset of the clocks from UTC, in seconds; NaN if it is not given."""


def read_time(text: str) -> Time | None:
    """The time of day; midnight for an empty text; None if the text is not a time."""
    found = _TIME.fullmatch(text)
    if not found:
        return None
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    if half := (found["half"] or "").upper():
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * half.startswith("P")
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = int((found["fraction"] or "0").ljust(6, "0")[:6])
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction, _offset(found["zone"])


def read_time_or_hour(text: str) -> Time | None:
    """The time of day of a cell in a column of times, which can be only an hour: 0 to 23, or 1 to 24."""
    if text.isascii() and text.isdigit() and int(text) <= 24 and len(text) <= 2:
        return int(text) * 3_600_000_000, None
    return read_time(text)


def read_times(texts: Texts, read: Callable[[str], Time | None] = read_time) -> Times:
    """Times such as `09:30`, `T09:30:00.5Z`, ` 4:00 PM`, `093000`, ` 00:00:00-05:00`; midnight if empty."""
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.chunked_array(texts.chunks, pa.string()).combine_chunks()
    coded = texts.fill_null("").dictionary_encode()
    # There are few distinct times of day, so they can be parsed one by one.
    parsed = [read(text) for text in coded.dictionary.to_pylist()]
    microseconds = [np.timedelta64("NaT") if time is None else time[0] for time in parsed]
    offsets = [np.nan if time is None or time[1] is None else time[1] for time in parsed]
    which = coded.indices.to_numpy()
    return Times(np.array(microseconds, "timedelta64[us]")[which], np.array(offsets, np.float64)[which])


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = (int(digits[:2]) * 60 + int(digits[2:])) * 60
    return -seconds if zone[0] == "-" else seconds
