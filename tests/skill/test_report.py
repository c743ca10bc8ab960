"""Verdicts on forecasts with known skill, and the figures of the report compared with hand computations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from seqkit.cli.skill import error_line, verdict_line
from seqkit.data.series import TARGETS, Features, PreparedSeries, prepare_series
from seqkit.errors import NonFiniteError, SourceError
from seqkit.inference.forecast import Forecast
from seqkit.skill import Judged, SkillReport, compare, judge, make_report, make_truth
from seqkit.skill.judging import Truth
from seqkit.skill.scores import LEVELS, normal_quantiles
from seqkit.sources import Series
from seqkit.sources.synthetic import Synthetic

DAYS = np.datetime64("2020-01-01") + np.arange(400)


def prepared(process: str = "ar1", **options: object) -> PreparedSeries:
    source = Synthetic(process, 1500, 0.01, 0.5, **options)
    return prepare_series(source.series(), Features(), TARGETS["return"], fractions=(0.6, 0.1, 0.3))


def said(truth: Truth, location: NDArray[np.float64], deviation: float | None = None) -> Forecast:
    quantiles = None
    if deviation is not None:
        quantiles = normal_quantiles(location, np.full(location.shape, deviation))
    return Forecast(truth.origins, location, quantiles)


def judged_as(truth: Truth, seeds: list[Forecast]) -> Judged:
    return judge(truth, [seeds])


def report_on(truths: list[Truth], seeds: list[list[Forecast]]) -> SkillReport:
    judged = [
        judged_as(truth, list(found)) for truth, found in zip(truths, zip(*seeds, strict=True), strict=True)
    ]
    described = {"split": "test", "head": "gaussian", "target": "return", "periods": {}, "scaler": {}}
    return make_report(truths, judged, **described)


class TestVerdict:
    def test_beats_loses_and_ties(self) -> None:
        noise = np.abs(np.random.default_rng(0).standard_normal(400))
        jitter = 0.05 * np.random.default_rng(1).standard_normal(400)
        jitter -= jitter.mean()
        assert compare(noise - 0.1 + jitter, noise, DAYS, 1).verdict == "beats"
        assert compare(noise + 0.1 + jitter, noise, DAYS, 1).verdict == "loses"
        tie = compare(noise + jitter, noise, DAYS, 1)
        assert tie.verdict == "ties"
        low, high = tie.ratio_interval_95
        assert low < tie.ratio < high

    def test_an_exact_baseline_wins(self) -> None:
        exact = compare(np.ones(400), np.zeros(400), DAYS, 1)
        assert (exact.verdict, exact.ratio) == ("loses", np.inf)
        assert json.dumps(exact.as_dict(), allow_nan=False)
        assert compare(np.zeros(400), np.zeros(400), DAYS, 1).verdict == "ties"

    def test_equal_forecasts_tie(self) -> None:
        same = compare(np.ones(400), np.ones(400), DAYS, 1)
        assert (same.verdict, same.ratio) == ("ties", 1.0)

    def test_rows_of_one_date_are_one_observation(self) -> None:
        generator = np.random.default_rng(0)
        difference = 0.1 * generator.standard_normal(400) + 0.011
        once = compare(1 + difference, np.ones(400), DAYS, 1)
        copies = compare(np.tile(1 + difference, 30), np.ones(12_000), np.tile(DAYS, 30), 1)
        assert copies.difference_interval_95 == pytest.approx(once.difference_interval_95)

    @pytest.mark.ci
    def test_of_pure_chance_few_beat(self) -> None:
        verdicts = []
        for seed in range(200):
            generator = np.random.default_rng(seed)
            actual = generator.standard_normal(300)
            guess = 0.1 * generator.standard_normal(300)
            other = 0.1 * generator.standard_normal(300)
            verdicts.append(compare(np.abs(guess - actual), np.abs(other - actual), DAYS[:300], 1).verdict)
        assert verdicts.count("beats") <= 13  # 2.5 % and its noise
        assert verdicts.count("loses") <= 13


class TestReport:
    def test_the_best_forecast_of_an_ar1_beats_naive(self) -> None:
        truth = make_truth(prepared(), 0, "test", 1)
        report = report_on([truth], [[said(truth, 0.5 * truth.previous[:, None], 0.01)]])
        (skill,) = report.horizons
        assert skill.verdict == "beats"
        assert skill.rmse["naive"] / skill.rmse["model"] == pytest.approx(1 / (1 - 0.25) ** 0.5, rel=0.05)
        assert skill.correlation_with_previous == pytest.approx(1)
        assert skill.distribution is not None
        assert skill.distribution.constant.verdict == "beats"
        assert skill.distribution.coverage_90["model"] == pytest.approx(0.9, abs=0.05)
        assert np.abs(np.array(skill.distribution.calibration["model"]) - LEVELS[:100]).max() < 0.08
        assert skill.direction.accuracy > skill.direction.interval_95[0] > 0.55

    def test_repeating_the_last_move_of_a_random_walk_loses(self) -> None:
        truth = make_truth(prepared("random_walk"), 0, "test", 1)
        (skill,) = report_on([truth], [[said(truth, truth.previous[:, None])]]).horizons
        assert skill.verdict == "loses"
        assert skill.distribution is None
        assert skill.errors["naive"].ratio == pytest.approx(2**0.5, rel=0.1)

    def test_the_mean_forecast_of_the_seeds_is_judged(self) -> None:
        truth = make_truth(prepared(), 0, "test", 2)
        up, down = np.full(truth.actual.shape, 0.02), np.full(truth.actual.shape, -0.01)
        both = report_on([truth], [[said(truth, up, 0.01)], [said(truth, down, 0.02)]])
        mean = report_on([truth], [[said(truth, (up + down) / 2, 0.015)]])
        for ahead, (skill, expected) in enumerate(zip(both.horizons, mean.horizons, strict=True)):
            for name in skill.errors:
                assert skill.errors[name] == expected.errors[name]
            assert skill.rmse == expected.rmse
            assert skill.direction == expected.direction
            assert skill.distribution.ewma.model == pytest.approx(expected.distribution.ewma.model)
            assert skill.distribution.coverage_90 == expected.distribution.coverage_90
            naive = np.abs(truth.actual[:, ahead]).mean()
            alone = [np.abs(one[:, ahead] - truth.actual[:, ahead]).mean() / naive for one in (up, down)]
            assert skill.seed_ratios == pytest.approx(alone)
        assert both.seeds == 2
        assert not both.as_dict()["enough_seeds"]

    def test_a_forecast_of_no_change_has_no_direction(self) -> None:
        truth = make_truth(prepared(), 0, "test", 1)
        location = np.zeros(truth.actual.shape)
        flat = report_on([truth], [[said(truth, location)]])
        assert flat.horizons[0].direction is None
        assert flat.as_dict()["horizons"][0]["direction"] is None
        location[::2] = truth.actual[::2]  # correct on every row on which it has a direction
        (skill,) = report_on([truth], [[said(truth, location)]]).horizons
        assert skill.direction.accuracy == 1
        assert skill.direction.always_up == pytest.approx((truth.actual[::2] > 0).mean())

    def test_the_best_baseline_is_named(self) -> None:
        truth = make_truth(prepared(), 0, "test", 2)
        report = report_on([truth], [[said(truth, 0 * truth.actual)]])
        for found, skill in zip(report.as_dict()["horizons"], report.horizons, strict=True):
            assert found["baseline"] == skill.baseline
            assert found["verdict"] == found["errors"][skill.baseline]["verdict"]
            assert {"naive", "drift", "moving_average", "same_day_a_week_ago"} < set(found["errors"])
            assert set(found["rmse"]) == {"model", *found["errors"]}

    def test_a_baseline_that_is_exact(self) -> None:
        week = 10 + np.sin(2 * np.pi * np.arange(7) / 7)
        days = np.datetime64("2020-01-01") + np.arange(420)
        series = Series("W", days, np.tile(week, 60)[:, None], ("price",))
        data = prepare_series([series], Features(), TARGETS["return"], fractions=(0.6, 0.1, 0.3), horizon=2)
        truth = make_truth(data, 0, "test", 2)
        assert truth.best == ("same_day_a_week_ago",) * 2
        report = report_on([truth], [[said(truth, 0.9 * truth.actual, 0.01)]])
        assert [skill.verdict for skill in report.horizons] == ["loses", "loses"]
        assert json.dumps(report.as_dict(), allow_nan=False)
        assert error_line(report, report.horizons[0]) == "  That baseline is exact (124 rows, 1 seed)."
        assert verdict_line(report, report.horizons[0]) == (
            "Verdict, +1 session: the forecast of W loses to the same day a week ago, which is the better "
            "forecast."
        )

    def test_the_best_of_each_symbol(self) -> None:
        """One symbol has a drift and one has none: together they are compared with the best of each."""
        (flat,) = Synthetic("random_walk", 1500, 0.01).series()
        steady = Series(
            "S2", flat.dates, flat.values * np.exp(0.005 * np.arange(1500))[:, None], flat.columns
        )
        series = [flat, steady]
        data = prepare_series(series, Features(), TARGETS["return"], fractions=(0.6, 0.1, 0.3))
        truths = [make_truth(data, symbol, "test", 1) for symbol in range(2)]
        report = report_on(truths, [[said(truth, 0 * truth.actual) for truth in truths]])
        assert report.by_symbol["S1"][0].baseline == "naive"
        assert report.by_symbol["S2"][0].baseline == "drift"
        (together,) = report.horizons
        assert together.baseline == "each"
        errors = [np.abs(truths[0].actual), np.abs(truths[1].points["drift"] - truths[1].actual)]
        assert together.best.other == pytest.approx(np.concatenate(errors).mean())
        assert "each" not in report.by_symbol["S1"][0].errors
        assert together.verdict == "loses"
        assert "S1, S2 loses to the best baseline of each symbol" in verdict_line(report, together)

    def test_several_symbols_have_a_report_each(self) -> None:
        data = prepared(symbols=2)
        truths = [make_truth(data, symbol, "test", 1) for symbol in range(2)]
        good, bad = (0.5 * truths[0].previous[:, None], -2 * truths[1].previous[:, None])
        report = report_on(truths, [[said(truths[0], good), said(truths[1], bad)]])
        assert report.by_symbol["S1"][0].verdict == "beats"
        assert report.by_symbol["S2"][0].verdict == "loses"
        assert report.horizons[0].rows == 2 * report.by_symbol["S1"][0].rows


class TestTruth:
    def test_the_first_origin_is_the_row_before_the_split(self) -> None:
        data = prepared()
        truth = make_truth(data, 0, "test", 3)
        rows, cuts = data.symbols[0], data.scaler.cuts
        assert rows.dates[truth.origins[0]] < cuts.test_from <= truth.dates[0]
        assert truth.origins[-1] == len(rows) - 4
        np.testing.assert_allclose(
            truth.actual[7], rows.log_prices[truth.origins[7] + [1, 2, 3]] - rows.log_prices[truth.origins[7]]
        )

    def test_a_test_split_without_a_move(self) -> None:
        (series,) = Synthetic("ar1", 500).series()
        series.values[300:] = series.values[300]
        data = prepare_series([series], Features(), TARGETS["return"], fractions=(0.6, 0.1, 0.3))
        with pytest.raises(
            SourceError, match="S1: the price never changes in the test split, so there is nothing"
        ):
            make_truth(data, 0, "test", 1)

    def test_a_split_that_is_too_short_for_the_horizon(self) -> None:
        with pytest.raises(SourceError) as caught:
            make_truth(prepared(), 0, "validation", 30)
        first, second = str(caught.value).splitlines()
        assert first == "S1: the validation split has 150 rows, but to judge a horizon of 30, 209 are needed."
        assert second.startswith("  Validation begins at 2003-06-")

    def test_a_forecast_that_is_not_a_number(self) -> None:
        truth = make_truth(prepared(), 0, "test", 1)
        with pytest.raises(
            NonFiniteError, match="a forecast of S1 is not a finite number: the model's state has over"
        ):
            judge(truth, [[said(truth, np.full(truth.actual.shape, np.nan))]])
