"""The honest report on disk: `report.json` and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqkit import plots, rundir
from seqkit.inference.outlook import Outlook
from seqkit.run.series import SeriesRun, forecast_together, judge_together
from seqkit.skill import Judged, SkillReport, Truth
from seqkit.skill.verdict import by_date

ROWS_SHOWN = 120
"""Of the prices before the forecast."""
FAN_ROWS = 10
"""Of the fan, where the features allow it."""


def write_report(
    runs: Sequence[SeriesRun], folder: Path, split: str = "test", data: str | Path | None = None
) -> SkillReport:
    """Judge seeds of a run, and write `report.json` and the pictures into a folder.

    `forecast-SYMBOL.png` for each symbol, `returns.png`, `errors.png`, and where the head has an interval
    `calibration.png`.
    """
    report, truths, judged = judge_together(runs, split, data)
    rundir.write_json(folder / rundir.REPORT, report.as_dict())
    read = runs[0].read(data).prepared
    horizon = runs[0].settings.horizon
    if not read.features.names_of_the_file:
        horizon = max(horizon, FAN_ROWS)
    for rows, outlook in zip(read.symbols, forecast_together(runs, horizon, data), strict=True):
        place = [truth.symbol for truth in truths].index(rows.name)
        _plot_forecast(rows.dates, np.exp(rows.log_prices), truths[place], judged, place, outlook, folder)
    locations = _mean_locations(judged)
    actual = np.concatenate([truth.actual[:, 0] for truth in truths])
    named = f"{', '.join(report.symbols)}: +1 session, {split} split"
    plots.plot_returns(locations, actual, folder / "returns.png", named)
    distribution = report.horizons[0].distribution
    if distribution is not None:
        plots.plot_calibration(distribution.calibration, folder / "calibration.png", named)
    _plot_errors(truths, judged, folder, named)
    return report


def _mean_locations(judged: Sequence[Sequence[Judged]]) -> np.ndarray:
    """What is expected one row ahead, averaged over the seeds, `(rows of all symbols,)`."""
    seeds = [np.concatenate([one.location[:, 0] for one in seed]) for seed in judged]
    return np.asarray(np.mean(seeds, 0))


def _plot_forecast(
    dates: np.ndarray,
    prices: np.ndarray,
    truth: Truth,
    judged: Sequence[Sequence[Judged]],
    place: int,
    outlook: Outlook,
    folder: Path,
) -> None:
    bands = None
    spreads = [seed[place].spread for seed in judged]
    if all(spread is not None for spread in spreads):
        ends = np.full((2, len(prices)), np.nan)
        for side, name in enumerate(("low", "high")):
            mean = np.mean([getattr(spread, name)[:, 0] for spread in spreads], 0)
            ends[side, truth.origins + 1] = truth.prices * np.exp(mean)
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


def _plot_errors(
    truths: Sequence[Truth], judged: Sequence[Sequence[Judged]], folder: Path, title: str
) -> None:
    dates = np.concatenate([truth.dates for truth in truths])
    actual = np.concatenate([truth.actual[:, 0] for truth in truths])
    model = np.mean(
        [np.abs(np.concatenate([one.location[:, 0] for one in seed]) - actual) for seed in judged], 0
    )
    differences = {"absolute error minus naive's": by_date(model - np.abs(actual), dates)}
    spreads = [[one.spread for one in seed if one.spread is not None] for seed in judged]
    if all(len(seed) == len(truths) for seed in spreads):
        crps = np.mean([np.concatenate([one.crps[:, 0] for one in seed]) for seed in spreads], 0)
        for name, label in (("ewma", "EWMA"), ("constant", "constant")):
            other = np.concatenate([truth.spreads[name].crps[:, 0] for truth in truths])
            differences[f"CRPS minus {label} volatility's"] = by_date(crps - other, dates)
    plots.plot_errors(np.unique(dates), differences, folder / "errors.png", title)
