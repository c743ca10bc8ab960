"""Baselines and normal distributions, compared with pandas, scipy and published figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqkit.skill import baselines
from seqkit.skill.scores import CRPS_LEVELS, LEVELS, correlation, crps, normal_quantiles

RNG = np.random.default_rng(0)
LOG_PRICES = 4 + 0.02 * RNG.standard_normal(300).cumsum()
ORIGINS = np.arange(5, 298)


def test_moving_average_and_drift() -> None:
    found = baselines.moving_average(2, ORIGINS, LOG_PRICES)
    means = pd.Series(LOG_PRICES).rolling(20, min_periods=1).mean().to_numpy()
    np.testing.assert_allclose(found[:, 0], (means - LOG_PRICES)[ORIGINS])
    np.testing.assert_allclose(found[:, 1], found[:, 0])
    assert baselines.drift(3, ORIGINS, np.full(300, 0.01))[0].tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert not baselines.naive(3, ORIGINS).any()


def test_mean_changes_so_far() -> None:
    found = baselines.mean_changes(LOG_PRICES, np.arange(300) - 1)
    assert np.isnan(found[:8]).all()
    for row in (8, 9, 299):
        assert found[row] == pytest.approx(np.diff(LOG_PRICES[: row + 1]).mean())
    found = baselines.mean_changes(LOG_PRICES, np.maximum(np.arange(300) - 12, -1))
    assert np.isnan(found[:19]).all()
    for row in (19, 20, 299):
        assert found[row] == pytest.approx((LOG_PRICES[12 : row + 1] - LOG_PRICES[: row - 11]).mean())


def test_moving_averages_of_other_lengths() -> None:
    found = baselines.moving_average(1, ORIGINS, LOG_PRICES, 60)
    means = pd.Series(LOG_PRICES).rolling(60, min_periods=1).mean().to_numpy()
    np.testing.assert_allclose(found[:, 0], (means - LOG_PRICES)[ORIGINS])


def test_exponentially_weighted_volatility() -> None:
    errors = np.diff(LOG_PRICES)
    found = baselines.ewma_volatility(errors, 0.03)
    squares = pd.Series([0.03**2, *errors**2])
    np.testing.assert_allclose(found, np.sqrt(squares.ewm(alpha=0.06, adjust=False).mean()))
    missing = baselines.ewma_volatility(np.array([np.nan, 0.1]), 0.03)  # no error, no change
    np.testing.assert_allclose(missing**2, [0.03**2, 0.03**2, 0.94 * 0.03**2 + 0.06 * 0.1**2])


def test_the_crps_of_a_normal_is_its_closed_form() -> None:
    deviation, actual = RNG.uniform(0.5, 2, 400), 1.5 * RNG.standard_normal(400)
    location = RNG.standard_normal(400)
    found = crps(normal_quantiles(location, deviation)[:, : len(CRPS_LEVELS)], actual)
    z = (actual - location) / deviation
    exact = deviation * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.pi**0.5)
    assert found.mean() == pytest.approx(exact.mean(), rel=2e-3)
    np.testing.assert_allclose(found, exact, atol=0.02)


def test_the_crps_of_a_point_is_its_error() -> None:
    assert crps(np.full((1, 100), 2.0), np.array([5.0]))[0] == pytest.approx(3.0)


def test_the_last_levels_are_the_ends_of_the_90_percent_interval() -> None:
    assert LEVELS[100:] == (0.05, 0.95)
    found = normal_quantiles(np.full(1, 2.0), np.full(1, 3.0))[0, 100:]
    np.testing.assert_allclose(found, stats.norm.ppf([0.05, 0.95], 2, 3))


def test_correlation() -> None:
    assert correlation(LOG_PRICES, -2 * LOG_PRICES) == pytest.approx(-1)
    assert correlation(LOG_PRICES, np.ones(300)) is None
