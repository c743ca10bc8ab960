"""The honest report: what seeds of a model are worth beside forecasts that cost nothing."""

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
"""A verdict on fewer is told as provisional."""


@dataclass(frozen=True)
class Direction:
    """How often the sign was right, rows without a move left out."""

    accuracy: float
    interval_95: tuple[float, float]
    always_up: float
    """How often "up" would have been right."""


@dataclass(frozen=True)
class Distribution:
    """The forecast distribution beside normal ones."""

    constant: Comparison
    ewma: Comparison
    """CRPS of the model against normals of constant and of exponentially weighted volatility."""
    calibration: dict[str, list[float]]
    """The share of rows below each of the quantiles at 0.005, 0.015, ..., 0.995; it should be that level."""
    coverage_90: dict[str, float]
    """How often what came lay in the 90 % interval: of the model, and of both normals."""


@dataclass(frozen=True)
class HorizonSkill:
    """So many rows ahead."""

    horizon: int
    rows: int
    errors: dict[str, Comparison]
    """Absolute errors in log return against each naive forecast: `naive`, `drift`, `moving_average`."""
    rmse: dict[str, float]
    """Of the model and of each of them."""
    seed_ratios: tuple[float, ...]
    """The error over naive's, seed by seed."""
    direction: Direction
    correlation_with_previous: float | None
    """Of the forecast with the return into its origin: near 1 where it repeats what was."""
    distribution: Distribution | None
    """None where the head has no interval."""

    @property
    def verdict(self) -> str:
        """On the point forecast: `beats`, `ties` or `loses`."""
        return self.errors["naive"].verdict


@dataclass(frozen=True)
class SkillReport:
    """What `evaluate` gives for a run on series."""

    split: str
    symbols: tuple[str, ...]
    seeds: int
    head: str
    target: str
    periods: dict[str, dict[str, Any]]
    """Of train, validation and test: `from`, `to`, `rows`."""
    scaler: dict[str, Any]
    """The rows that the scaler was fitted on: `from`, `to`, `rows`."""
    horizons: tuple[HorizonSkill, ...]
    by_symbol: dict[str, tuple[HorizonSkill, ...]]
    """The same for each of several symbols."""
    test_uses: int | None = None
    """How often the test split was looked at on this machine, this time counted; None for another split."""
    control: dict[str, Any] | None = None
    """What the control runs said, where there were any."""

    @property
    def trustworthy(self) -> bool | None:
        """False where the control runs found skill in random walks; None where there were none."""
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


def measure_skill(truths: Sequence[Truth], judged: Sequence[Sequence[Judged]]) -> tuple[HorizonSkill, ...]:
    """Skill at each horizon.

    Args:
        truths: of one symbol or of several.
        judged: for each seed, what its model said of each of them.
    """
    pooled = pool(truths, judged)
    return tuple(_skill_at(pooled, ahead) for ahead in range(pooled.actual.shape[1]))


def _skill_at(pooled: Pooled, ahead: int) -> HorizonSkill:
    horizon, dates = ahead + 1, pooled.dates
    errors = pooled.errors[:, :, ahead]  # (seeds, rows)
    others = {name: np.abs(point - pooled.actual)[:, ahead] for name, point in pooled.points.items()}
    naive_error = by_date(others["naive"], dates).mean()
    return HorizonSkill(
        horizon=horizon,
        rows=len(dates),
        errors={name: compare(errors.mean(0), other, dates, horizon) for name, other in others.items()},
        rmse={
            "model": float(np.sqrt((errors**2).mean())),
            **{name: float(np.sqrt((other**2).mean())) for name, other in others.items()},
        },
        seed_ratios=tuple(float(by_date(error, dates).mean() / naive_error) for error in errors),
        direction=_direction(pooled, ahead),
        correlation_with_previous=correlation(pooled.locations[:, :, ahead].mean(0), pooled.previous),
        distribution=_distribution(pooled, ahead) if pooled.spreads else None,
    )


def _direction(pooled: Pooled, ahead: int) -> Direction:
    actual = pooled.actual[:, ahead]
    moved = actual != 0
    dates, went_up = pooled.dates[moved], actual[moved] > 0
    hits = by_date(((pooled.locations[:, moved, ahead] > 0) == went_up).mean(0), dates)
    interval = block_bootstrap_mean(hits, block_rows(ahead + 1, len(hits)), resamples=RESAMPLES)
    return Direction(float(hits.mean()), interval, float(by_date(went_up.astype(float), dates).mean()))


def _distribution(pooled: Pooled, ahead: int) -> Distribution:
    actual, normals = pooled.actual[:, ahead], pooled.normals
    crps = pooled.crps[:, ahead]

    def covered(spread: Spread) -> float:
        low, high = spread.low[:, ahead], spread.high[:, ahead]
        return float(((low <= actual) & (actual <= high)).mean())

    return Distribution(
        **{
            name: compare(crps, normal.crps[:, ahead], pooled.dates, ahead + 1)
            for name, normal in normals.items()
        },
        calibration={
            "model": (np.mean([spread.below[ahead] for spread in pooled.spreads], 0) / len(actual)).tolist(),
            **{name: (normal.below[ahead] / len(actual)).tolist() for name, normal in normals.items()},
        },
        coverage_90={
            "model": float(np.mean([covered(spread) for spread in pooled.spreads])),
            **{name: covered(normal) for name, normal in normals.items()},
        },
    )


def _horizon_dict(skill: HorizonSkill) -> dict[str, Any]:
    distribution = skill.distribution
    return {
        "horizon": skill.horizon,
        "rows": skill.rows,
        "verdict": skill.verdict,
        "ratio_to_naive": skill.errors["naive"].ratio,
        "errors": {name: comparison.as_dict() for name, comparison in skill.errors.items()},
        "rmse": skill.rmse,
        "seed_ratios": list(skill.seed_ratios),
        "direction": {
            "accuracy": skill.direction.accuracy,
            "interval_95": list(skill.direction.interval_95),
            "always_up": skill.direction.always_up,
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


def make_report(truths: Sequence[Truth], judged: Sequence[Sequence[Judged]], **described: Any) -> SkillReport:
    """The report of seeds on a split.

    Args:
        truths: what came, by symbol.
        judged: for each seed, what its model said of each symbol.
        described: the other fields of the report.
    """
    by_symbol: Mapping[str, tuple[HorizonSkill, ...]] = {}
    if len(truths) > 1:
        by_symbol = {
            truth.symbol: measure_skill([truth], [[seed[place]] for seed in judged])
            for place, truth in enumerate(truths)
        }
    return SkillReport(
        symbols=tuple(truth.symbol for truth in truths),
        seeds=len(judged),
        horizons=measure_skill(truths, judged),
        by_symbol=dict(by_symbol),
        **described,
    )
