"""The honest report on disk: `report.json` and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqkit import plots
from seqkit.inference.outlook import Outlook
from seqkit.run import rundir
from seqkit.run.series import SeriesRun, forecast_read, judge_read
from seqkit.skill import Judged, SkillReport, Truth
from seqkit.skill.baselines import phrase
from seqkit.skill.judging import Pooled, pool
from seqkit.skill.verdict import by_date
from seqkit.tasks.series import SeriesData

ROWS_SHOWN = 120
"""Number of prices shown before the forecast."""
FAN_ROWS = 10
"""Rows ahead in the fan, if the features allow it."""


def write_report(
    runs: Sequence[SeriesRun], folder: Path, split: str = "test", read: SeriesData | None = None
) -> SkillReport:
    """Judge seeds of a run, and write `report.json` and the pictures into a folder.

    The pictures are `forecast-SYMBOL.png` for each symbol, `returns.png` and `errors.png`, and
    `calibration.png` if the head has an interval.

    Args:
        runs: runs of one recipe.
        folder: the folder to write to.
        split: the split to judge.
        read: the result of `SeriesRun.read`, if the data was read already.
    """
    read = runs[0].read() if read is None else read
    report, truths, judged = judge_read(runs, read, split)
    rundir.write_json(folder / rundir.REPORT, report.as_dict())
    horizon = runs[0].settings.horizon
    if not read.prepared.features.names_of_the_file:
        horizon = max(horizon, FAN_ROWS)
    outlooks = forecast_read(runs, read, horizon)
    for place, (rows, outlook) in enumerate(zip(read.prepared.symbols, outlooks, strict=True)):
        _plot_forecast(rows.dates, np.exp(rows.log_prices), truths[place], judged[place], outlook, folder)
    pooled = pool(truths, judged)
    named = f"{', '.join(report.symbols)}: +1 session, {split} split"
    plots.plot_returns(pooled.location[:, 0], pooled.actual[:, 0], folder / "returns.png", named)
    distribution = report.horizons[0].distribution
    if distribution is not None:
        plots.plot_calibration(distribution.calibration, folder / "calibration.png", named)
    _plot_errors(pooled, folder, named)
    return report


def _plot_forecast(
    dates: np.ndarray,
    prices: np.ndarray,
    truth: Truth,
    judged: Judged,
    outlook: Outlook,
    folder: Path,
) -> None:
    bands = None
    if judged.spread is not None:
        ends = np.full((2, len(prices)), np.nan)
        for side, end in enumerate((judged.spread.low, judged.spread.high)):
            ends[side, truth.origins + 1] = truth.prices * np.exp(end[:, 0])
        bands = ends[0, -ROWS_SHOWN:], ends[1, -ROWS_SHOWN:]
    ahead = {"price": [session.price for session in outlook.sessions]}
    if outlook.sessions[0].quantiles is not None:
        for level in outlook.sessions[0].quantiles:
            ahead[level] = [session.quantiles[level] for session in outlook.sessions if session.quantiles]
    plots.plot_forecast(
        dates[-ROWS_SHOWN:],
        prices[-ROWS_SHOWN:],
        bands,
        ahead,
        folder / f"forecast-{''.join(c if c.isalnum() or c in '.-' else '_' for c in truth.symbol)}.png",
        f"{truth.symbol}: forecast after {outlook.last_date}",
    )


def _plot_errors(pooled: Pooled, folder: Path, title: str) -> None:
    dates, best = pooled.dates, pooled.best[0]
    other = np.abs(pooled.points[best][:, 0] - pooled.actual[:, 0])
    differences = {
        f"absolute error minus that of {phrase(best)}": by_date(pooled.errors[:, 0] - other, dates)
    }
    if pooled.spread is not None:
        for name, label in (("ewma", "EWMA"), ("constant", "constant")):
            apart = pooled.spread.crps[:, 0] - pooled.normals[name].crps[:, 0]
            differences[f"CRPS minus that of {label} volatility"] = by_date(apart, dates)
    plots.plot_errors(np.unique(dates), differences, folder / "errors.png", title)
