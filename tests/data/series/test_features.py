"""Features, compared with pandas and manual computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seqkit.data.series import Features
from seqkit.data.series.features import calendar
from seqkit.errors import SourceError
from seqkit.sources import Series

RNG = np.random.default_rng(0)
PRICES = 50 * np.exp(0.02 * RNG.standard_normal(80).cumsum())
DATES = np.busday_offset("2020-01-01", np.arange(80), roll="forward")
SERIES = Series(
    "X",
    DATES,
    np.column_stack([PRICES, RNG.uniform(1, 2, 80), 1.1 * PRICES, 0.9 * PRICES]),
    ("price", "volume", "high", "low"),
)


def test_against_pandas() -> None:
    features = Features(lags=[1, 3], sums=[5], volatilities=[10])
    assert features.names == ("return", "lag 1", "lag 3", "sum 5", "volatility 10")
    assert features.lookback == 10
    found = features.of_series(SERIES)
    returns = pd.Series(np.log(PRICES)).diff()
    expected = np.column_stack(
        [
            returns,
            returns.shift(1),
            returns.shift(3),
            returns.rolling(5).sum(),
            np.sqrt((returns**2).rolling(10).mean()),
        ]
    )
    np.testing.assert_allclose(found[10:], expected[10:])
    assert np.isnan(found[:10]).all()


def test_those_of_the_file() -> None:
    features = Features(volume=True, range=True, calendar=True)
    assert features.names_of_the_file[:2] == ("volume", "range")
    found = features.of_series(SERIES)
    volume = SERIES.values[:, 1]
    np.testing.assert_allclose(found[1:, 1], np.log(volume[1:] / volume[:-1]))
    np.testing.assert_allclose(found[1:, 2], np.log(1.1 / 0.9))
    assert found.shape == (80, 7)


def test_a_row_without_a_trade_has_no_volume() -> None:
    values = SERIES.values.copy()
    values[40, 1] = 0
    found = Features(volume=True).of_series(SERIES._replace(values=values))
    assert np.isnan(found[40:42, 1]).all()
    assert not np.isnan(found[42:, 1]).any()


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SourceError) as caught:
        Features(range=True).of_series(Series("X", DATES, PRICES[:, None], ("price",)))
    assert str(caught.value) == (
        "X has no column 'high', which series.range=true reads; its columns: price.\n"
        "  Leave the feature out: series.range=false."
    )


def test_of_a_path_they_are_what_they_are_of_the_file() -> None:
    features = Features(price=True, lags=[2], sums=[4], volatilities=[1, 6])
    log_prices = np.log(PRICES)
    windows = np.stack([log_prices[row - features.lookback : row + 1] for row in range(20, 60)])
    np.testing.assert_array_equal(features.of_past(windows), features.of_series(SERIES)[20:60])


def test_the_calendar() -> None:
    monday, december = calendar(np.array(["2024-01-01", "2024-12-26"], "datetime64[D]"))
    np.testing.assert_allclose(monday, [0, 1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(december[:2], [np.sin(6 * np.pi / 7), np.cos(6 * np.pi / 7)])
