"""Naive forecasts and normal distributions, held against pandas, scipy and published figures."""

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
    assert baselines.drift(3, ORIGINS, 0.01)[0].tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert not baselines.naive(3, ORIGINS).any()


def test_volatilities_grow_with_the_root_of_the_horizon() -> None:
    constant = baselines.constant_volatility(4, ORIGINS, 0.02)
    assert constant[0].tolist() == pytest.approx([0.02, 0.02 * 2**0.5, 0.02 * 3**0.5, 0.04])
    found = baselines.ewma_volatility(2, ORIGINS, LOG_PRICES, 0.03)
    squares = pd.Series([0.03**2, *np.diff(LOG_PRICES) ** 2])
    expected = np.sqrt(squares.ewm(alpha=0.06, adjust=False).mean().to_numpy())[ORIGINS]
    np.testing.assert_allclose(found[:, 0], expected)
    np.testing.assert_allclose(found[:, 1], expected * 2**0.5)


def test_the_crps_of_a_normal_is_its_closed_form() -> None:
    deviation, actual = RNG.uniform(0.5, 2, 400), 1.5 * RNG.standard_normal(400)
    found = crps(normal_quantiles(deviation)[:, : len(CRPS_LEVELS)], actual)
    z = actual / deviation
    exact = deviation * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.pi**0.5)
    assert found.mean() == pytest.approx(exact.mean(), rel=2e-3)
    np.testing.assert_allclose(found, exact, atol=0.02)


def test_the_crps_of_a_point_is_its_error() -> None:
    assert crps(np.full((1, 100), 2.0), np.array([5.0]))[0] == pytest.approx(3.0)


def test_the_last_levels_are_the_ends_of_the_90_percent_interval() -> None:
    assert LEVELS[100:] == (0.05, 0.95)
    np.testing.assert_allclose(normal_quantiles(np.ones(1))[0, 100:], stats.norm.ppf([0.05, 0.95]))


def test_correlation() -> None:
    assert correlation(LOG_PRICES, -2 * LOG_PRICES) == pytest.approx(-1)
    assert correlation(LOG_PRICES, np.ones(300)) is None
