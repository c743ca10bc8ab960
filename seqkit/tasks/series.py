"""Series: rows with dates; each position predicts the distribution of the next rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqkit.data import Batch, Lanes, Windows
from seqkit.data.series import (
    TARGETS,
    Features,
    PreparedSeries,
    Scaler,
    prepare_series,
)
from seqkit.data.series.dates import SPLITS
from seqkit.data.writing import OnProgress
from seqkit.errors import RunError, SourceError
from seqkit.fingerprint import fingerprint
from seqkit.recipe import ResolvedRecipe, SeriesConfig, TrainConfig
from seqkit.sources import Series, SeriesSource
from seqkit.tasks.base import Sizes, Task, TaskData
from seqkit.tasks.components import open_source

logger = logging.getLogger(__name__)


LOSS_UNITS = {
    "point": "squared error, in standard deviations",
    "gaussian": "nats per row",
    "student_t": "nats per row",
    "quantile": "CRPS, in standard deviations",
}
"""Units of the loss, by head."""


class SeriesTask(Task):
    """The task of predicting the next rows of a series."""

    file = "series.json"
    compares_by_loss = False

    def prepare(
        self, recipe: ResolvedRecipe, on_progress: OnProgress | None = None, kept: Scaler | None = None
    ) -> SeriesData:
        """The rows of the recipe's source, split by date and scaled."""
        source = open_series(recipe)
        return SeriesData(prepare(recipe, source.series(), earlier=kept), source.fingerprint)

    def sizes(self, kept: Scaler) -> Sizes:
        """The number of features of a row."""
        return Sizes(features=len(kept.features))

    def restore(self, recipe: ResolvedRecipe, saved: Any) -> Scaler:
        """The scaler of a run, with the dates of its splits.

        Raises:
            RunError: the values are not those of a scaler.
        """
        try:
            return Scaler.from_json(saved)
        except (ValueError, TypeError) as error:
            said = str(error).splitlines()[0]
            raise RunError(
                f"{self.file} does not hold the scaler of a run: {said}.\n"
                "  Restore the file that the run was trained with, or train it again: seqkit run DIR."
            ) from error

    def loss_unit(self, head: str) -> str:
        """Unit of the loss of a head."""
        return LOSS_UNITS.get(head, "loss per row")


@dataclass(frozen=True)
class SeriesData(TaskData):
    """Series, split by date and scaled on the training rows."""

    prepared: PreparedSeries
    source_fingerprint: str
    split_override = "series.split=0.7,0.1,0.2"

    @property
    def kept(self) -> Scaler:
        """The scaler."""
        return self.prepared.scaler

    def training_batches(self, train: TrainConfig) -> Windows | Lanes:
        """The training rows of all symbols, in the order that the state policy requires."""
        stream = self.prepared.training_stream()
        if train.state == "reset":
            return Windows(
                stream, batch_size=train.batch_size, seq_len=train.seq_len, shuffle_seed=train.seed
            )
        return Lanes(stream, lanes=train.batch_size, seq_len=train.seq_len)

    def evaluation_batches(self, train: TrainConfig, split: str) -> list[Batch] | None:
        """The rows of a split, read after all earlier rows; None if it has no rows."""
        for name in SPLITS:
            if name == split and any(self.prepared.counts(name).values()):
                return [self.prepared.reading(name)]
        return None

    def describe(self) -> dict[str, Any]:
        """The data's entry in the provenance of a run."""
        return {
            "source": self.source_fingerprint,
            "scaler": fingerprint(["scaler", self.prepared.scaler.to_json()]),
            "splits": self.periods(),
            "scaler_fit": self.scaler_fit(),
        }

    def saved(self) -> Any:
        """The scaler, and the dates of the splits."""
        return self.prepared.scaler.to_json()

    def periods(self) -> dict[str, dict[str, Any]]:
        """The first and the last date that each split predicts, and its number of rows."""
        found: dict[str, dict[str, Any]] = {}
        for split in SPLITS:
            every = (
                rows.target_dates[self.prepared.predicted(rows, split)] for rows in self.prepared.symbols
            )
            dates = [dates for dates in every if len(dates)]
            if dates:
                found[split] = {
                    "from": str(min(one[0] for one in dates)),
                    "to": str(max(one[-1] for one in dates)),
                    "rows": sum(map(len, dates)),
                }
        return found

    def scaler_fit(self) -> dict[str, Any]:
        """The dates and the number of the rows that the scaler was fitted on."""
        scales = self.prepared.scaler.symbols.values()
        return {
            "from": min(scale.fit_from for scale in scales),
            "to": max(scale.fit_to for scale in scales),
            "rows": sum(scale.fit_rows for scale in scales),
        }


def open_series(recipe: ResolvedRecipe) -> SeriesSource:
    """The source of a series recipe.

    Raises:
        SourceError: the source has its own splits.
    """
    source = open_source(recipe.source, SeriesSource)  # type: ignore[type-abstract]
    if source.splits != ("all",):
        raise SourceError(
            f"the source {recipe.source.use!r} has its own splits, {', '.join(source.splits)}; "
            "series are split by date.\n  Let it give one split, 'all', and set where to split: "
            "series.validation_from and series.test_from."
        )
    return source


def price_file(recipe: ResolvedRecipe, path: str | Path, scaler: Scaler) -> SeriesSource:
    """Another price file, read as the recipe reads its own; only the symbols that the run knows are read.

    If a file names no symbol and the run has only one, the file is read as that symbol.
    """
    from seqkit.sources.prices import open_prices

    given = recipe.source.options() if recipe.source.use == "prices" else {}
    source = open_prices(**{**given, "path": path, "symbol": None, "panel": True})
    known = [symbol for symbol in source.table.symbols if symbol in scaler.symbols]
    if not source.table.names_symbols and len(scaler.symbols) == 1:
        (name,) = scaler.symbols
        logger.info("%s names no symbol; it is read as %s", path, name)
        return _Chosen(source, {source.table.symbols[0]: name})
    if not known:
        return source  # the scaler raises the error for unknown symbols
    return _Chosen(source, {symbol: symbol for symbol in known})


class _Chosen(SeriesSource):
    """Some series of a source.

    Args:
        source: the source, which is read once.
        names: the new name of each wanted series, by its name in the source.
    """

    def __init__(self, source: SeriesSource, names: Mapping[str, str]) -> None:
        self._source, self._names = source, names

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the source and the choice."""
        return fingerprint(["chosen", self._source.fingerprint, dict(self._names)])

    def series(self, split: str = "all") -> Iterator[Series]:
        """The wanted series, in the order of the source."""
        for one in self._source.series(split):
            if one.name in self._names:
                yield one._replace(name=self._names[one.name])


def make_features(series: SeriesConfig) -> Features:
    """The features that a recipe chooses."""
    return Features(
        price=series.target == "price",
        lags=series.lags,
        sums=series.sums,
        volatilities=series.volatilities,
        volume=series.volume,
        range=series.range,
        calendar=series.calendar,
    )


def prepare_series_data(
    recipe: ResolvedRecipe, source: SeriesSource | None = None, scaler: Scaler | None = None
) -> SeriesData:
    """Rows, splits and scaler of a recipe's source, or of another one with the scaler of a run.

    Raises:
        SourceError: it cannot be read, or is too short.
    """
    source = source or open_series(recipe)
    prepared = prepare(recipe, source.series(), scaler)
    return SeriesData(prepared, source.fingerprint)


def prepare(
    recipe: ResolvedRecipe,
    series: Iterable[Series],
    scaler: Scaler | None = None,
    *,
    earlier: Scaler | None = None,
) -> PreparedSeries:
    """Rows, splits and scaler from series in memory; for `scaler` and `earlier` see `prepare_series`."""
    return prepare_series(
        series,
        make_features(recipe.series),
        TARGETS[recipe.series.target],
        fractions=recipe.series.split,
        validation_from=recipe.series.validation_from,
        test_from=recipe.series.test_from,
        seq_len=recipe.train.seq_len,
        horizon=recipe.series.horizon,
        scaler=scaler,
        earlier=earlier,
    )
