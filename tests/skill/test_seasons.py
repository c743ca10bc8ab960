"""Rows at the same place in a cycle, compared with pandas' calendar."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit.skill.baselines import seasonal
from seqkit.skill.seasons import same_places


def places(dates: pd.DatetimeIndex, known: int | None = None) -> dict[str, np.ndarray]:
    return same_places(dates.to_numpy(), len(dates) if known is None else known)


def with_gaps(dates: pd.DatetimeIndex, share: float = 0.03) -> pd.DatetimeIndex:
    return dates[np.random.default_rng(0).random(len(dates)) >= share]


def month_ends(periods: int) -> pd.DatetimeIndex:
    return pd.date_range("2001-01-31", periods=periods, freq="BME")


@pytest.mark.parametrize(
    ("dates", "names"),
    [
        (pd.date_range("2001-01-31", periods=12, freq="YE"), []),
        (pd.date_range("2001-03-31", periods=40, freq="QE"), ["same_quarter_a_year_ago"]),
        (pd.date_range("2001-01-01", periods=60, freq="MS"), ["same_month_a_year_ago"]),
        (month_ends(60), ["same_month_a_year_ago"]),
        (pd.date_range("2001-01-05", periods=150, freq="W-FRI"), ["same_week_a_year_ago"]),
        (pd.date_range("2001-01-01", periods=1000, freq="B"), ["same_day_a_week_ago", "same_day_a_year_ago"]),
        (pd.date_range("2001-01-01", periods=1000, freq="D"), ["same_day_a_week_ago", "same_day_a_year_ago"]),
        (
            pd.date_range("2001-01-01", periods=1000, freq="h"),
            ["same_hour_a_day_ago", "same_hour_a_week_ago"],
        ),
        (
            pd.date_range("2001-01-01", periods=300, freq="2h"),
            ["same_hour_a_day_ago", "same_hour_a_week_ago"],
        ),
        (
            pd.date_range("2001-01-01", periods=3000, freq="15min"),
            ["same_time_a_day_ago", "same_time_a_week_ago"],
        ),
        (pd.date_range("2001-01-01", periods=1000, freq="5h"), ["same_time_a_day_ago"][:0]),
    ],
)
def test_the_cycles_of_dates(dates: pd.DatetimeIndex, names: list[str]) -> None:
    found = set(places(dates))
    assert found - {"same_hour_a_week_ago", "same_hour_a_year_ago"} == set(names) - {"same_hour_a_week_ago"}
    assert set(names) <= found


def test_two_cycles_are_seen_before_there_is_one() -> None:
    dates = pd.date_range("2001-01-01", periods=60, freq="MS")
    assert not places(dates, 24)  # from the first to the last of 24 months it is one month less
    assert set(places(dates, 25)) == {"same_month_a_year_ago"}
    assert not places(dates, 1)


def test_the_same_hour_of_the_week_with_missing_rows() -> None:
    dates = with_gaps(pd.date_range("2023-01-02", periods=2688, freq="h"))
    found = places(dates)["same_hour_a_week_ago"]
    rows = pd.Series(np.arange(len(dates)), index=dates)
    for row in range(200, len(dates)):
        weeks = (dates[row] - pd.Timedelta(weeks=week) for week in range(1, 20))
        assert found[row] == next((rows[date] for date in weeks if date in rows), -1)


def test_the_same_hour_of_the_last_day_of_trading() -> None:
    days = with_gaps(pd.bdate_range("2023-01-02", periods=80), 0.05)
    dates = pd.DatetimeIndex(
        [day + pd.Timedelta(hours=hour, minutes=30) for day in days for hour in range(9, 16)]
    )
    found = places(dates)["same_hour_a_day_ago"]
    assert (found[7:] == np.arange(len(dates) - 7)).all()  # a day of trading has seven rows


def test_the_same_weekday_52_weeks_ago() -> None:
    dates = with_gaps(pd.bdate_range("2010-01-04", periods=1500))
    found = places(dates)
    for row in range(600, len(dates)):
        week, year = (dates[row] - dates[found[f"same_day_a_{cycle}_ago"][row]] for cycle in ("week", "year"))
        assert week.days % 7 == 0
        assert year.days % 364 == 0
        assert year.days == 364 or dates[row] - pd.Timedelta(days=364) not in dates


@pytest.mark.parametrize("freq", ["MS", "BME", "QE"])
def test_the_same_month_a_year_ago(freq: str) -> None:
    dates = with_gaps(pd.date_range("1990-01-01", periods=360, freq=freq))
    (found,) = places(dates).values()
    months = dates.year * 12 + dates.month
    for row in range(30, len(dates)):
        apart = months[row] - months[found[row]]
        assert apart % 12 == 0
        assert apart == 12 or months[row] - 12 not in set(months)


def test_two_rows_of_one_month() -> None:
    dates = pd.date_range("2001-01-01", periods=60, freq="MS").insert(30, pd.Timestamp("2003-06-29"))
    found = places(dates)["same_month_a_year_ago"]
    assert [str(date.date()) for date in dates[found[[29, 30, 31]]]] == [
        "2002-06-01",
        "2002-07-01",
        "2002-07-01",
    ]


@given(st.sets(st.integers(1, 399), max_size=80), st.sampled_from("hDW"))
def test_an_earlier_row_at_the_same_place(missing: set[int], unit: str) -> None:
    steps = np.array([step for step in range(400) if step not in missing])
    dates = np.datetime64("2020-01-01T00") + steps * np.timedelta64(1, unit)
    for name, found in same_places(dates, len(dates)).items():
        length = {"day": 24, "week": 168, "year": 8736}[name.split("_")[3]] * np.timedelta64(1, "h")
        there = found >= 0
        assert (found < np.arange(len(dates))).all()
        apart = (dates[there] - dates[found[there]]).astype("timedelta64[h]")
        assert ((apart % length).astype(int) == 0).all()


def test_a_horizon_beyond_the_cycle_uses_no_row_after_the_origin() -> None:
    dates = pd.date_range("2001-01-01", periods=200, freq="D")
    log_prices = np.random.default_rng(0).standard_normal(200)
    previous = places(dates)["same_day_a_week_ago"]
    found = seasonal(10, np.arange(50, 150), log_prices, previous)
    growth = np.random.default_rng(1).standard_normal(200)
    growing = seasonal(10, np.arange(50, 150), log_prices, previous, growth)
    for place, origin in enumerate(range(50, 150)):
        earlier = [origin + ahead - (7 if ahead <= 7 else 14) for ahead in range(1, 11)]
        np.testing.assert_allclose(found[place], log_prices[earlier] - log_prices[origin])
        np.testing.assert_allclose(
            growing[place], found[place] + np.array([1] * 7 + [2] * 3) * growth[origin]
        )
    assert np.isnan(seasonal(1, np.array([3]), log_prices, previous)).all()
