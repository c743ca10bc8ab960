"""A run on series."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from seqkit.data.series import Scaler
from seqkit.data.series.dates import SplitName
from seqkit.errors import OutOfRangeError, SourceError
from seqkit.inference.forecast import Forecast, forecast_blocks
from seqkit.inference.outlook import FAN_LEVELS, Outlook, make_outlook
from seqkit.recipe import SeriesConfig
from seqkit.run import rundir
from seqkit.run.base import Run
from seqkit.skill import (
    Judged,
    LeakCheck,
    SkillReport,
    Truth,
    check_leaks,
    judge,
    make_report,
    make_truth,
)
from seqkit.skill.scores import LEVELS
from seqkit.skill.uses import count_use
from seqkit.tasks.series import SeriesData, open_series, prepare, prepare_series_data, price_file

logger = logging.getLogger(__name__)


class SeriesRun(Run):
    """A run on series: it makes forecasts, and is compared with baselines."""

    kept: Scaler
    verbs = "It forecasts: run.forecast(), or seqkit forecast DIR."

    @property
    def scaler(self) -> Scaler:
        """The scaler of the training rows, with the dates of the splits."""
        return self.kept

    @property
    def settings(self) -> SeriesConfig:
        """The recipe's `[series]` table."""
        return self.recipe.series

    def forecast(
        self, horizon: int | None = None, data: str | Path | None = None, *, paths: int = 1000, seed: int = 0
    ) -> list[Outlook]:
        """Forecast the rows after the last one, for each symbol.

        Args:
            horizon: number of rows ahead; by default the recipe's.
            data: a price file that ends later, instead of the recipe's source. It is scaled with the run's
                own scaler; the model reads it from its first row.
            paths: number of sampled paths, for more than one row ahead.
            seed: seed of the sampling.
        Raises:
            SourceError: the data cannot be read, or has another symbol.
            OutOfRangeError: a feature of the recipe cannot be computed from sampled returns.
        """
        return forecast_together([self], horizon, data, paths=paths, seed=seed)

    def evaluate(
        self, split: str = "test", data: str | Path | None = None, *, count: bool = True
    ) -> SkillReport:
        """The honest report of this one model. See `evaluate_together`."""
        return evaluate_together([self], split, data, count=count)

    def leaks(self) -> LeakCheck:
        """Replace later rows by noise, and check whether anything before them changes.

        For this, the recipe's source is prepared again from the start, scaler included, as before training.
        """
        series = list(open_series(self.recipe).series())
        return check_leaks(series, partial(prepare, self.recipe), self.model, horizon=self.settings.horizon)

    def read(self, data: str | Path | None = None) -> SeriesData:
        """The recipe's source, or a price file, with the scaler and the dates of this run."""
        source = None if data is None else price_file(self.recipe, data, self.scaler)
        found = prepare_series_data(self.recipe, source, self.scaler)
        if data is None and found.source_fingerprint != self.provenance["data"]["source"]:
            logger.warning("the data has changed since the run was trained; the dates of the splits are kept")
        return found

    def forecast_from(self, data: SeriesData, symbol: int, truth: Truth) -> Iterator[Forecast]:
        """Forecasts of the model from the origins of a symbol's split, block by block."""
        return forecast_blocks(
            self.model,
            data.prepared,
            symbol,
            truth.origins,
            horizon=self.settings.horizon,
            levels=LEVELS,
            paths=self.settings.paths,
            seed=self.recipe.train.seed,
        )


def evaluate_together(
    runs: Sequence[SeriesRun],
    split: str = "test",
    data: str | Path | None = None,
    *,
    count: bool = True,
) -> SkillReport:
    """The honest report: the mean forecast of seeds of one recipe compared with baselines, on the same rows.

    Args:
        runs: runs of one recipe, which differ in their seeds.
        split: `"validation"` or `"test"`, by the dates that the runs were trained with.
        data: a price file to read instead of the recipe's source.
        count: whether to count this look at the test split. Each look makes it a little less of a test.
    Returns:
        The report; `as_dict()` gives plain values.
    Raises:
        SourceError: there is no such split, or the data has no row in it.
    """
    report, _, _ = judge_read(runs, runs[0].read(data), split, count=count)
    return report


def judge_read(
    runs: Sequence[SeriesRun], read: SeriesData, split: str, *, count: bool = True
) -> tuple[SkillReport, list[Truth], list[Judged]]:
    """The report on the result of `SeriesRun.read`, and the rows that it is based on."""
    if split not in ("validation", "test"):
        raise SourceError(f"series are judged on validation or test, got {split!r}.")
    chosen: SplitName = "test" if split == "test" else "validation"
    first = runs[0]
    if not any(read.prepared.counts(chosen).values()):
        raise SourceError(
            f"there is no {split} split: no row has its dates (validation from "
            f"{first.scaler.cuts.validation_from}, test from {first.scaler.cuts.test_from})."
        )
    horizon = first.settings.horizon
    truths = [
        make_truth(read.prepared, symbol, chosen, horizon) for symbol in range(len(read.prepared.symbols))
    ]
    judged = [
        judge(truth, zip(*(run.forecast_from(read, symbol, truth) for run in runs), strict=True))
        for symbol, truth in enumerate(truths)
    ]
    uses = None
    if split == "test" and count:
        uses = count_use(truths)
    control = first.path / rundir.CONTROL
    control = control if control.exists() else first.path.parent / rundir.CONTROL
    report = make_report(
        truths,
        judged,
        split=split,
        head=first.recipe.head.use,
        target=first.settings.target,
        periods=read.periods(),
        scaler=read.scaler_fit(),
        test_uses=uses,
        control=rundir.read_json(control) if control.exists() else None,
    )
    return report, truths, judged


def forecast_together(
    runs: Sequence[SeriesRun],
    horizon: int | None = None,
    data: str | Path | None = None,
    *,
    paths: int = 1000,
    seed: int = 0,
) -> list[Outlook]:
    """The same as `SeriesRun.forecast` for several seeds: the mean of their forecasts, by quantile."""
    return forecast_read(runs, runs[0].read(data), horizon, paths=paths, seed=seed)


def forecast_read(
    runs: Sequence[SeriesRun],
    read: SeriesData,
    horizon: int | None = None,
    *,
    paths: int = 1000,
    seed: int = 0,
) -> list[Outlook]:
    """The same from the result of `SeriesRun.read`."""
    horizon = runs[0].settings.horizon if horizon is None else horizon
    if not isinstance(horizon, int):
        raise OutOfRangeError(f"a horizon is a number of rows, got {horizon!r}.\n  Pass a file as data=PATH.")
    if horizon < 1 or paths < 10:
        raise OutOfRangeError(f"horizon must be at least 1 and paths at least 10; got {horizon} and {paths}.")
    prepared = read.prepared
    if horizon > 1 and (from_file := prepared.features.names_of_the_file):
        raise OutOfRangeError(
            f"a path of {horizon} rows is sampled row by row, and {from_file[0]} cannot be computed from "
            f"sampled returns.\n  Forecast one row (--horizon 1), or train without this feature."
        )
    outlooks = []
    for symbol, rows in enumerate(prepared.symbols):
        if rows.dates[-1] < prepared.scaler.cuts.validation_from:
            logger.warning(
                "%s ends on %s: the rows after it are among those that the model was trained on",
                rows.name,
                rows.dates[-1],
            )
        origin = np.array([len(rows) - 1])
        blocks = []
        for run in runs:
            (found,) = forecast_blocks(
                run.model,
                prepared,
                symbol,
                origin,
                horizon=horizon,
                levels=FAN_LEVELS,
                paths=paths,
                seed=seed,
            )
            blocks.append(found)
        outlooks.append(make_outlook(rows, blocks))
    return outlooks
