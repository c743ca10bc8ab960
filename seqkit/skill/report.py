"""The honest report: the mean forecast of the seeds of a model, compared with baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqkit.skill.judging import Judged, Pooled, Spread, Truth, pool
from seqkit.skill.scores import correlation
from seqkit.skill.verdict import RESAMPLES, Comparison, block_rows, by_date, compare
from seqkit.training.bootstrap import block_bootstrap_mean

MIN_SEEDS = 5
"""A verdict on fewer seeds is reported as provisional."""


@dataclass(frozen=True)
class Direction:
    """Share of rows with the right sign, among those where both the price and the forecast change."""

    accuracy: float
    interval_95: tuple[float, float]
    always_up: float
    """Share of the same rows on which "up" was right."""


@dataclass(frozen=True)
class Distribution:
    """The forecast distribution compared with normal ones around the best baseline."""

    constant: Comparison
    ewma: Comparison
    """CRPS of the model and of normals of constant and of exponentially weighted volatility."""
    calibration: dict[str, list[float]]
    """Share of rows below each quantile at 0.005, 0.015, ..., 0.995; it should be equal to the level."""
    coverage_90: dict[str, float]
    """Share of rows with the actual value in the 90 % interval: for the model and for both normals."""


@dataclass(frozen=True)
class HorizonSkill:
    """Skill at one horizon."""

    horizon: int
    rows: int
    baseline: str
    """The best baseline, chosen on the rows before the split: a key of `errors`.

    If several symbols have different ones, it is `each`: the best of each symbol.
    """
    errors: dict[str, Comparison]
    """Absolute errors in log return compared with each baseline: `naive` (the last value), `drift`,
    `moving_average`, `same_month_a_year_ago`, ..."""
    rmse: dict[str, float]
    """Root mean square error of the model and of each baseline."""
    seed_ratios: tuple[float, ...]
    """Error of each single seed divided by that of the last value."""
    direction: Direction | None
    """None if every forecast is 0, which is not a direction."""
    correlation_with_previous: float | None
    """Correlation of the forecast with the return into its origin: near 1 if it repeats the last return."""
    distribution: Distribution | None
    """None if the head has no interval."""

    @property
    def verdict(self) -> str:
        """Verdict on the point forecast, compared with the best baseline: `beats`, `ties` or `loses`."""
        return self.best.verdict

    @property
    def best(self) -> Comparison:
        """Absolute errors compared with the best baseline's."""
        return self.errors[self.baseline]


@dataclass(frozen=True)
class SkillReport:
    """Result of `evaluate` for a run on series."""

    split: str
    symbols: tuple[str, ...]
    seeds: int
    head: str
    target: str
    periods: dict[str, dict[str, Any]]
    """Periods of train, validation and test: `from`, `to`, `rows`."""
    scaler: dict[str, Any]
    """The rows that the scaler was fitted on: `from`, `to`, `rows`."""
    horizons: tuple[HorizonSkill, ...]
    by_symbol: dict[str, tuple[HorizonSkill, ...]]
    """The same for each of several symbols."""
    test_uses: int | None = None
    """How often the test split was looked at on this machine, including this time; None for another split."""
    control: dict[str, Any] | None = None
    """Result of the control runs; None if there were none."""

    @property
    def trustworthy(self) -> bool | None:
        """False if the control runs found skill in random walks; None if there were no control runs."""
        return None if self.control is None else bool(self.control["trustworthy"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **{
                name: getattr(self, name)
                for name in ("split", "seeds", "head", "target", "periods", "scaler")
            },
            "symbols": list(self.symbols),
            "horizons": [_horizon_dict(skill) for skill in self.horizons],
            "by_symbol": {
                symbol: [_horizon_dict(skill) for skill in skills]
                for symbol, skills in self.by_symbol.items()
            },
            "test_uses": self.test_uses,
            "control": self.control,
            "trustworthy": self.trustworthy,
            "enough_seeds": self.seeds >= MIN_SEEDS,
        }


def measure_skill(truths: Sequence[Truth], judged: Sequence[Judged]) -> tuple[HorizonSkill, ...]:
    """Skill at each horizon.

    Args:
        truths: the actual values of one symbol or of several.
        judged: the forecasts of the seeds for each symbol.
    """
    pooled = pool(truths, judged)
    return tuple(_skill_at(pooled, ahead) for ahead in range(pooled.actual.shape[1]))


def _skill_at(pooled: Pooled, ahead: int) -> HorizonSkill:
    horizon, dates, baseline = ahead + 1, pooled.dates, pooled.best[ahead]
    actual, errors = pooled.actual[:, ahead], pooled.errors[:, ahead]
    others = {
        name: np.abs(point[:, ahead] - actual)
        for name, point in pooled.points.items()
        if name != "each" or name == baseline
    }
    naive_error = by_date(others["naive"], dates).mean()
    return HorizonSkill(
        horizon=horizon,
        rows=len(dates),
        baseline=baseline,
        errors={name: compare(errors, other, dates, horizon) for name, other in others.items()},
        rmse={
            "model": float(np.sqrt((errors**2).mean())),
            **{name: float(np.sqrt((other**2).mean())) for name, other in others.items()},
        },
        seed_ratios=tuple(
            float(by_date(np.abs(location - actual), dates).mean() / naive_error)
            for location in pooled.locations[:, :, ahead]
        ),
        direction=_direction(pooled, ahead),
        correlation_with_previous=correlation(pooled.location[:, ahead], pooled.previous),
        distribution=None if pooled.spread is None else _distribution(pooled, pooled.spread, ahead),
    )


def _direction(pooled: Pooled, ahead: int) -> Direction | None:
    actual, forecast = pooled.actual[:, ahead], pooled.location[:, ahead]
    both = (actual != 0) & (forecast != 0)
    if not both.any():
        return None
    dates, went_up = pooled.dates[both], actual[both] > 0
    hits = by_date(((forecast[both] > 0) == went_up).astype(float), dates)
    interval = block_bootstrap_mean(hits, block_rows(ahead + 1, len(hits)), resamples=RESAMPLES)
    return Direction(float(hits.mean()), interval, float(by_date(went_up.astype(float), dates).mean()))


def _distribution(pooled: Pooled, model: Spread, ahead: int) -> Distribution:
    actual, normals = pooled.actual[:, ahead], pooled.normals
    spreads = {"model": model, **normals}

    def covered(spread: Spread) -> float:
        low, high = spread.low[:, ahead], spread.high[:, ahead]
        return float(((low <= actual) & (actual <= high)).mean())

    return Distribution(
        **{
            name: compare(model.crps[:, ahead], normal.crps[:, ahead], pooled.dates, ahead + 1)
            for name, normal in normals.items()
        },
        calibration={name: (spread.below[ahead] / len(actual)).tolist() for name, spread in spreads.items()},
        coverage_90={name: covered(spread) for name, spread in spreads.items()},
    )


def _horizon_dict(skill: HorizonSkill) -> dict[str, Any]:
    direction, distribution = skill.direction, skill.distribution
    return {
        "horizon": skill.horizon,
        "rows": skill.rows,
        "verdict": skill.verdict,
        "baseline": skill.baseline,
        "ratio_to_naive": skill.errors["naive"].ratio,
        "errors": {name: comparison.as_dict() for name, comparison in skill.errors.items()},
        "rmse": skill.rmse,
        "seed_ratios": list(skill.seed_ratios),
        "direction": direction
        and {
            "accuracy": direction.accuracy,
            "interval_95": list(direction.interval_95),
            "always_up": direction.always_up,
        },
        "correlation_with_previous": skill.correlation_with_previous,
        "distribution": distribution
        and {
            "crps": {
                "constant": distribution.constant.as_dict(),
                "ewma": distribution.ewma.as_dict(),
            },
            "coverage_90": distribution.coverage_90,
            "calibration": distribution.calibration,
        },
    }


def make_report(truths: Sequence[Truth], judged: Sequence[Judged], **described: Any) -> SkillReport:
    """The report of seeds on a split.

    Args:
        truths: the actual values and the baselines, by symbol.
        judged: the forecasts of the seeds for each symbol.
        described: the other fields of the report.
    """
    by_symbol: Mapping[str, tuple[HorizonSkill, ...]] = {}
    if len(truths) > 1:
        by_symbol = {
            truth.symbol: measure_skill([truth], [found]) for truth, found in zip(truths, judged, strict=True)
        }
    return SkillReport(
        symbols=tuple(truth.symbol for truth in truths),
        seeds=len(judged[0].locations),
        horizons=measure_skill(truths, judged),
        by_symbol=dict(by_symbol),
        **described,
    )
