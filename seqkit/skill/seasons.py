"""Cycles of the day, the week and the year, derived from dates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]

HOUR, DAY = 3600.0, 86400.0
YEAR, YEAR_OF_WEEKS = 365.2425 * DAY, 364 * DAY
"""52 weeks keep the weekday and the hour; rows a month or a quarter apart need the calendar's year."""
STEP_TOLERANCE = 0.02
"""Tolerance of the usual step between rows: 31 days are 1.8 % longer than a twelfth of a year."""
FEWEST_FOUND = 0.9
"""A cycle is accepted if this share of the rows after the first cycle has an earlier row at its place."""


def same_places(dates: NDArray[np.datetime64], known: int) -> dict[str, Rows]:
    """For each cycle of the dates, the last earlier row at the same place in the cycle.

    Places are computed from the dates, not by counting rows, so a missing row shifts nothing. If the row one
    cycle ago is missing, the row two cycles ago is used.

    Args:
        dates: dates of all rows, ascending, `(rows,)`.
        known: number of rows, from the first, whose dates decide which cycles there are. They cover at
            least two of each cycle.
    Returns:
        By name, such as `same_hour_a_week_ago`: the earlier row of each row, `(rows,)`, or -1 if there is
        none.
    """
    seconds = dates.astype("datetime64[us]").astype(np.int64) / 1e6
    if known < 2:
        return {}
    step = float(np.median(np.diff(seconds[:known])))
    unit = _unit(step)
    found = {}
    for cycle, length in (
        ("day", DAY),
        ("week", 7 * DAY),
        ("year", YEAR if step > 27 * DAY else YEAR_OF_WEEKS),
    ):
        count = round(length / step)
        if count < 2 or abs(length / count / step - 1) > STEP_TOLERANCE:
            continue
        after_one = seconds[:known] >= seconds[0] + length
        if seconds[known - 1] - seconds[0] < (1 - STEP_TOLERANCE) * 2 * length:
            continue
        places = np.rint((seconds - seconds[0]) / (length / count)).astype(np.int64)
        previous = _previous(places, count)
        if (previous[:known][after_one] >= 0).mean() >= FEWEST_FOUND:
            found[f"same_{unit}_a_{cycle}_ago"] = previous
    return found


def _previous(places: NDArray[np.int64], count: int) -> Rows:
    """The last row of an earlier cycle at the same place, -1 if there is none."""
    order = np.argsort(places % count, kind="stable")
    same = (places % count)[order][1:] == (places % count)[order][:-1]
    previous = np.full(len(places), -1, dtype=np.intp)
    previous[order[1:][same]] = order[:-1][same]
    # Two rows can share a place in one cycle, such as two rows in a month: neither is from an earlier cycle.
    while (again := (previous >= 0) & (places[previous] == places)).any():
        previous[again] = previous[previous[again]]
    return previous


def _unit(step: float) -> str:
    """Name of the place of a row in a cycle, from the usual step between rows in seconds."""
    for unit, shortest in (("quarter", 80 * DAY), ("month", 27 * DAY), ("week", 6 * DAY), ("day", 0.9 * DAY)):
        if step >= shortest:
            return unit
    return "hour" if abs(step / HOUR - round(step / HOUR)) < STEP_TOLERANCE and step >= HOUR / 2 else "time"
