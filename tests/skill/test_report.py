"""Verdicts on forecasts whose skill is known, and the figures of the report against hand computations."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seqkit.data.series import TARGETS, Features, PreparedSeries, prepare_series
from seqkit.errors import NonFiniteError, SourceError
from seqkit.inference.forecast import Forecast
from seqkit.skill import compare, judge, make_report, make_truth
from seqkit.skill.judging import Truth
from seqkit.skill.scores import LEVELS, normal_quantiles
from seqkit.sources.synthetic import Synthetic

DAYS = np.datetime64("2020-01-01") + np.arange(400)


def prepared(process: str = "ar1", **options: object) -> PreparedSeries:
    source = Synthetic(process, 1500, 0.01, 0.5, **options)
    return prepare_series(source.series(), Features(), TARGETS["return"], fractions=(0.6, 0.1, 0.3))


def said(truth: Truth, location: NDArray[np.float64], deviation: float | None = None) -> Forecast:
    quantiles = None
    if deviation is not None:
        quantiles = location[..., None] + normal_quantiles(np.full(location.shape, deviation))
    return Forecast(truth.origins, location, quantiles)


def report_on(truths: list[Truth], seeds: list[list[Forecast]]):
    judged = [[judge(truth, [one]) for truth, one in zip(truths, seed, strict=True)] for seed in seeds]
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

    def test_equal_forecasts_tie(self) -> None:
        same = compare(np.ones(400), np.ones(400), DAYS, 1)
        assert (same.verdict, same.ratio) == ("ties", 1.0)

    def test_rows_of_one_date_are_one_observation(self) -> None:
        generator = np.random.default_rng(0)
        difference = 0.1 * generator.standard_normal(400) + 0.011
        once = compare(1 + difference, np.ones(400), DAYS, 1)
        copies = compare(np.tile(1 + difference, 30), np.ones(12_000), np.tile(DAYS, 30), 1)
        assert copies.difference_interval_95 == pytest.approx(once.difference_interval_95)

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

    def test_errors_are_averaged_over_the_seeds_row_by_row(self) -> None:
        truth = make_truth(prepared(), 0, "test", 2)
        up, down = np.full(truth.actual.shape, 0.02), np.full(truth.actual.shape, -0.02)
        report = report_on([truth], [[said(truth, up)], [said(truth, down)]])
        for ahead, skill in enumerate(report.horizons):
            errors = np.abs(np.stack([up, down])[:, :, ahead] - truth.actual[:, ahead])
            assert skill.errors["naive"].model == pytest.approx(errors.mean())
            assert skill.errors["naive"].other == pytest.approx(np.abs(truth.actual[:, ahead]).mean())
            assert len(skill.seed_ratios) == 2
        assert report.seeds == 2
        assert not report.as_dict()["enough_seeds"]

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
            SourceError, match="S1: the price never moves in the test split; there is nothing"
        ):
            make_truth(data, 0, "test", 1)

    def test_a_split_that_is_too_short_for_the_horizon(self) -> None:
        with pytest.raises(SourceError) as caught:
            make_truth(prepared(), 0, "validation", 30)
        first, second = str(caught.value).splitlines()
        assert first == "S1: the validation split has 150 rows, and to judge a horizon of 30, 209 are needed."
        assert second.startswith("  Validation begins at 2003-06-")

    def test_a_forecast_that_is_not_a_number(self) -> None:
        truth = make_truth(prepared(), 0, "test", 1)
        with pytest.raises(
            NonFiniteError, match="a forecast of S1 is not a number: the model's state has over"
        ):
            judge(truth, [said(truth, np.full(truth.actual.shape, np.nan))])
