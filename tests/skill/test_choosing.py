"""The best baseline of series with a known process, and verdicts on forecasts of known kinds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seqkit.data.series import TARGETS, Features, PreparedSeries, prepare_series
from seqkit.skill import Truth, make_truth
from seqkit.skill.report import HorizonSkill, measure_skill
from seqkit.sources import Series
from seqkit.sources.prices import Prices
from tests.skill.test_report import judged_as, said

Floats = NDArray[np.float64]

CASES = {
    "monthly_season": "same_month_a_year_ago_with_drift",
    "hourly_load": "same_hour_a_week_ago",
    "monthly_walk_with_drift": "drift",
    "daily_walk": "naive",
}
SERIES, MOST_BEATEN = 20, 2
MONTHS = np.datetime64("1990-01") + np.arange(360)


def prepared(series: list[Series], target: str = "return", horizon: int = 1) -> PreparedSeries:
    return prepare_series(series, Features(), TARGETS[target], fractions=(0.7, 0.1, 0.2), horizon=horizon)


def monthly(log_prices: Floats, name: str = "M") -> Series:
    dates = MONTHS[: len(log_prices)].astype("datetime64[D]")
    return Series(name, dates, np.exp(log_prices)[:, None], ("price",))


def walk_with_drift(seed: int, drift: float = 0.01) -> Floats:
    return (drift + 0.03 * np.random.default_rng(seed).standard_normal(360)).cumsum()


SEASON = 0.004 * np.arange(360) + 0.25 * np.sin(2 * np.pi * np.arange(360) / 12)


def season(seed: int) -> Floats:
    return SEASON + 0.02 * np.random.default_rng(seed).standard_normal(360)


def truth_of(log_prices: Floats, horizon: int = 1, split: str = "test") -> Truth:
    return make_truth(prepared([monthly(log_prices)], horizon=horizon), 0, split, horizon)


def skill_of(truth: Truth, location: Floats) -> HorizonSkill:
    return measure_skill([truth], [judged_as(truth, [said(truth, location, 0.03)])])[0]


class TestTheBest:
    @pytest.mark.parametrize("target", ["return", "price"])
    @pytest.mark.parametrize("horizon", [1, 3])
    @pytest.mark.parametrize("split", ["test", "validation"])
    @pytest.mark.parametrize("name", CASES)
    def test_of_files(self, name: str, target: str, horizon: int, split: str) -> None:
        path = Path(__file__).parent / "verdict" / f"{name}.csv"
        series = list(Prices(path, price="Value" if name == "monthly_season" else None).series())
        truth = make_truth(prepared(series, target, horizon), 0, split, horizon)
        assert truth.best == (CASES[name],) * horizon

    def test_each_horizon_has_its_own(self) -> None:
        """A weekly cycle on a walk: 7 rows ahead the last value is best, in between the same weekday."""
        generator = np.random.default_rng(0)
        days = np.arange(1000)
        log_prices = 0.3 * np.sin(2 * np.pi * days / 7) + 0.01 * generator.standard_normal(1000).cumsum()
        series = Series("D", np.datetime64("2001-01-01") + days, np.exp(log_prices)[:, None], ("price",))
        assert (
            make_truth(prepared([series], horizon=7), 0, "test", 7).best[:6] == ("same_day_a_week_ago",) * 6
        )

    def test_the_judged_rows_do_not_decide(self) -> None:
        """The season ends where the test begins: neither the choice nor the scale of the normals changes."""
        log_prices = season(0)
        before = truth_of(log_prices)
        log_prices[before.origins[0] + 1 :] = log_prices[before.origins[0]] + 0.001 * np.arange(72)
        after = truth_of(log_prices)
        assert before.best == after.best == ("same_month_a_year_ago_with_drift",)
        widths = [truth.spreads["constant"].high - truth.spreads["constant"].low for truth in (before, after)]
        np.testing.assert_allclose(*widths)
        assert np.abs(after.best_point - after.actual).mean() > np.abs(after.actual).mean()

    def test_validation_rows_decide_for_the_test_alone(self) -> None:
        """The season begins with the validation rows, so it is known only for the test."""
        walk, months = walk_with_drift(1, drift=0.0), np.arange(360)
        walk[144:] = (
            walk[144] + 0.25 * np.sin(2 * np.pi * months[144:] / 12) + 0.02 * (walk[144:] - walk[144])
        )
        data = prepare_series([monthly(walk)], Features(), TARGETS["return"], fractions=(0.4, 0.4, 0.2))
        assert make_truth(data, 0, "validation", 1).best == ("naive",)
        assert make_truth(data, 0, "test", 1).best[0].startswith("same_month_a_year_ago")

    def test_too_few_rows_before_leave_the_last_value(self) -> None:
        data = prepared([monthly(walk_with_drift(0))])
        rows, cut = data.symbols[0], 275  # the test begins at row 288 or so
        fewer = replace(
            rows,
            **{name: getattr(rows, name)[cut:] for name in ("dates", "log_prices", "features", "values")},
        )
        truth = make_truth(replace(data, symbols=(fewer,)), 0, "test", 1)
        assert truth.best == ("naive",)
        scale = data.scaler.symbols["M"].return_scale
        width = truth.spreads["constant"].high - truth.spreads["constant"].low
        np.testing.assert_allclose(width, 2 * 1.6448536 * scale)

    def test_a_drift_is_not_chosen_on_the_rows_that_it_is_computed_from(self) -> None:
        """On rows without drift, the drift of these rows is always a little better; it must not be chosen."""
        chosen = [truth_of(walk_with_drift(seed, drift=0.0)).best[0] for seed in range(40)]
        assert chosen.count("naive") >= 30
        assert set(chosen) == {"naive", "drift"}


class TestTheNormals:
    def test_they_are_around_the_best_baseline(self) -> None:
        truth = truth_of(season(0), horizon=2)
        errors = truth.best_point - truth.actual
        for name, widest in (("constant", 1.3), ("ewma", 1.6)):
            spread = truth.spreads[name]
            middle, deviation = (spread.high + spread.low) / 2, (spread.high - spread.low) / 2 / 1.6448536
            np.testing.assert_allclose(middle, truth.best_point, atol=1e-12)
            assert 1 / widest < deviation.mean() / np.sqrt((errors**2).mean()) < widest

    def test_of_a_walk_they_are_around_the_last_price(self) -> None:
        truth = truth_of(walk_with_drift(2, drift=0.0), horizon=4)
        assert truth.best == ("naive",) * 4
        deviation = truth.spreads["constant"].high[0] / 1.6448536
        np.testing.assert_allclose(deviation, 0.03 * np.sqrt([1, 2, 3, 4]), rtol=0.15)


class TestVerdicts:
    """Verdicts on forecasts with known skill, on many series of one process."""

    def verdicts(
        self, law: Callable[[int], Floats], forecast: Callable[[Truth, np.random.Generator], Floats]
    ) -> Counter[str]:
        found = Counter[str]()
        for seed in range(SERIES):
            truth = truth_of(law(seed))
            found[skill_of(truth, forecast(truth, np.random.default_rng(seed))).verdict] += 1
        return found

    @pytest.mark.ci
    def test_on_walks_with_drift(self) -> None:
        for forecast in (
            lambda truth, draw: 0.003 * draw.standard_normal(truth.actual.shape),
            lambda truth, draw: truth.points["drift"] + 0.003 * draw.standard_normal(truth.actual.shape),
            lambda truth, draw: truth.points["drift"] * 1.2,
        ):
            assert self.verdicts(walk_with_drift, forecast)["beats"] <= MOST_BEATEN

    def test_on_walks_without(self) -> None:
        found = self.verdicts(
            lambda seed: walk_with_drift(seed, drift=0.0),
            lambda truth, draw: 0.003 * draw.standard_normal(truth.actual.shape),
        )
        assert found["beats"] <= MOST_BEATEN

    def test_on_seasons_the_last_value_never_beats(self) -> None:
        found = self.verdicts(season, lambda truth, draw: 0.003 * draw.standard_normal(truth.actual.shape))
        assert found == {"loses": SERIES}

    def test_on_seasons_a_fifth_of_each_move_does_not_beat(self) -> None:
        """It is better than the last value by a fifth, but worse than the same month a year ago."""
        found = self.verdicts(season, lambda truth, draw: truth.actual / 5)
        assert found["beats"] == 0

    @pytest.mark.ci
    def test_on_seasons_the_same_month_does_not_beat(self) -> None:
        for name in ("same_month_a_year_ago", "same_month_a_year_ago_with_drift"):
            found = self.verdicts(
                season,
                lambda truth, draw, name=name: (
                    truth.points[name] + 0.003 * draw.standard_normal(truth.actual.shape)
                ),
            )
            assert found["beats"] <= MOST_BEATEN

    def test_skill_that_is_there_is_found(self) -> None:
        """The season itself, as a forecast, has no noise from a year ago."""
        found = self.verdicts(
            season, lambda truth, draw: (SEASON[truth.origins + 1] - np.log(truth.prices))[:, None]
        )
        assert found["beats"] >= SERIES - 2
