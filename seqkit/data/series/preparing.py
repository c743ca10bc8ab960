"""Prepare series for training and testing a model."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from seqkit.data.batches import Batch
from seqkit.data.series.dates import SPLITS, Cuts, SplitName, choose_cuts
from seqkit.data.series.features import Features
from seqkit.data.series.rows import SymbolRows, make_rows
from seqkit.data.series.scaling import Scaler, fit_scale
from seqkit.data.series.stream import RowStream
from seqkit.data.series.targets import Target
from seqkit.errors import SourceError, did_you_mean
from seqkit.sources.base import Series

logger = logging.getLogger(__name__)

MIN_JUDGED = 20


def rows_to_judge(horizon: int) -> int:
    """Minimum number of rows in an evaluated split: 20 forecasts, or six horizons of them."""
    return horizon - 1 + max(MIN_JUDGED, 6 * horizon)


@dataclass(frozen=True)
class PreparedSeries:
    """The rows of all symbols, and the scaler that was fitted on the training rows."""

    symbols: tuple[SymbolRows, ...]
    scaler: Scaler
    features: Features
    target: Target

    @cached_property
    def inputs(self) -> tuple[NDArray[np.float32], ...]:
        """The model inputs for each symbol from row `first` on, `(rows - first, features)`."""
        return tuple(
            self.scaler.symbols[rows.name].features(rows.features[rows.first :]) for rows in self.symbols
        )

    def predicted(self, rows: SymbolRows, split: SplitName) -> NDArray[np.bool_]:
        """Which of a symbol's `target_dates` are in a split."""
        inside: NDArray[np.bool_] = self.scaler.cuts.split_of(rows.target_dates) == SPLITS.index(split)
        return inside

    def counts(self, split: SplitName) -> dict[str, int]:
        """Number of rows of each symbol that are predicted in a split."""
        return {rows.name: int(self.predicted(rows, split).sum()) for rows in self.symbols}

    def training_stream(self) -> RowStream:
        """The rows that predict training rows, symbol by symbol."""
        counts = self.counts("train")
        inputs = [values[: counts[rows.name]] for values, rows in zip(self.inputs, self.symbols, strict=True)]
        targets = [self._targets(rows)[: counts[rows.name]] for rows in self.symbols]
        reset = [np.arange(len(values)) == 0 for values in targets]
        return RowStream(np.concatenate(inputs), np.concatenate(targets), np.concatenate(reset))

    def reading(self, split: SplitName) -> Batch:
        """A batch with one row per symbol, from its beginning to the end of a split, which alone counts."""
        last = SPLITS.index(split)
        splits = [self.scaler.cuts.split_of(rows.target_dates) for rows in self.symbols]
        lengths = [int((found <= last).sum()) for found in splits]
        shape = max(lengths), len(lengths)
        inputs = np.zeros((*shape, len(self.features.names)), dtype=np.float32)  # (T, B, features)
        targets, counted = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
        for row, length in enumerate(lengths):
            inputs[:length, row] = self.inputs[row][:length]
            targets[:length, row] = self._targets(self.symbols[row])[:length]
            counted[:length, row] = splits[row][:length] == last
        return Batch(
            torch.from_numpy(inputs).transpose(0, 1),
            torch.from_numpy(targets).t(),
            torch.from_numpy(counted).t(),
        )

    def _targets(self, rows: SymbolRows) -> NDArray[np.float32]:
        """The scaled targets from row `first` on, `(rows - first - 1,)`."""
        return self.scaler.symbols[rows.name].target(rows.values[rows.first + 1 :])


def prepare_series(
    series: Iterable[Series],
    features: Features,
    target: Target,
    *,
    fractions: tuple[float, float, float],
    validation_from: str | None = None,
    test_from: str | None = None,
    seq_len: int = 1,
    horizon: int = 1,
    scaler: Scaler | None = None,
    earlier: Scaler | None = None,
) -> PreparedSeries:
    """Make the rows, choose the dates of the splits, and fit the scaler.

    Args:
        series: the series of the source.
        features: what the model reads.
        target: what it predicts.
        fractions, validation_from, test_from: see `choose_cuts`.
        seq_len: minimum number of rows in a symbol's training split.
        horizon: number of rows ahead that are evaluated.
        scaler: scaler of a finished run, for new data: nothing is fitted, and its dates are used.
        earlier: scaler of an earlier run whose model is trained on: its scales are used, with new dates.
    Raises:
        SourceError: a symbol has too few rows, or is unknown to the scaler; or rows that the earlier run was
            trained on are not in the training split.
    """
    symbols = tuple(make_rows(one, features, target) for one in series)
    if not symbols:
        raise SourceError("the source has no series.")
    if scaler is not None:
        return PreparedSeries(_as_known(symbols, scaler, features), scaler, features, target)
    needed = (seq_len, *(rows_to_judge(horizon) if share > 0 else 0 for share in fractions[1:]))
    short = [rows for rows in symbols if len(rows) <= features.lookback + 1]
    if short:
        raise SourceError(_too_few(short[0], symbols, features, needed, (0, 0, 0), fractions))
    cuts = choose_cuts(symbols, fractions, validation_from, test_from)
    for rows in symbols:
        found = np.bincount(cuts.split_of(rows.target_dates), minlength=len(SPLITS)).tolist()
        if any(have < count for have, count in zip(found, needed, strict=True)):
            raise SourceError(_too_few(rows, symbols, features, needed, found, fractions))
    _log_missing(symbols, features)
    if earlier is not None:
        _require_later(cuts, earlier.cuts)
        known = _as_known(symbols, earlier, features)
        scales = {rows.name: earlier.symbols[rows.name] for rows in known}
        return PreparedSeries(symbols, Scaler(features.names, cuts, scales), features, target)
    scales = {rows.name: fit_scale(rows, cuts, target) for rows in symbols}
    for name, scale in scales.items():
        if not scale.return_scale:
            raise SourceError(
                f"{name}: the price never moves in the training split; there is nothing to learn."
            )
    return PreparedSeries(symbols, Scaler(features.names, cuts, scales), features, target)


def _require_later(cuts: Cuts, earlier: Cuts) -> None:
    """Check that no row that a model was trained or chosen on is in a later split now.

    Raises:
        SourceError: one is, so the report on that split would be too good.
    """
    for split, now, then in (
        ("validation", cuts.validation_from, earlier.validation_from),
        ("test", cuts.test_from, earlier.test_from),
    ):
        if now < then:
            raise SourceError(
                f"the {split} split would begin on {now}, but the earlier run knows the rows before {then}: "
                f"its report would be too good.\n  Set series.{split}_from={then}, or a later date."
            )


def _as_known(symbols: Sequence[SymbolRows], scaler: Scaler, features: Features) -> tuple[SymbolRows, ...]:
    """Check that the scaler knows all symbols."""
    known = tuple(scaler.symbols)
    for rows in symbols:
        if rows.name not in known:
            raise SourceError(
                f"the run was not trained on {rows.name!r}, so it has no scale for it."
                f"{did_you_mean(rows.name, known)}\n  It knows {', '.join(known)}."
            )
        if len(rows) <= features.lookback:
            raise SourceError(
                f"{rows.name}: {len(rows)} rows are too few; the features need {features.lookback + 1}."
            )
    return tuple(symbols)


def _too_few(
    rows: SymbolRows,
    symbols: Sequence[SymbolRows],
    features: Features,
    needed: Sequence[int],
    found: Sequence[int],
    fractions: Sequence[float],
) -> str:
    reach = features.lookback + 1
    enough = reach + max(
        math.ceil(count / share) for count, share in zip(needed, fractions, strict=True) if share
    )
    counts = "; ".join(
        f"{split} {have}, needs {count}" for split, have, count in zip(SPLITS, found, needed, strict=True)
    )
    others = [other.name for other in symbols if other is not rows and len(other) >= enough]
    remedy = (
        f"Leave {rows.name} out: source.symbol={others}".replace("'", '"')
        if others
        else "Give more rows, or make train.seq_len, series.horizon or the features' reach smaller"
    )
    if len(rows) >= enough:  # it is long enough, but in another period
        return (
            f"{rows.name}: its {len(rows):,} rows, {rows.dates[0]} to {rows.dates[-1]}, do not fit the split "
            f"dates, which are the same for all symbols (rows to predict: {counts}).\n"
            f"  {remedy}; or choose the dates: series.validation_from and series.test_from."
        )
    return (
        f"{rows.name}: {len(rows):,} rows are too few (rows to predict: {counts}).\n"
        f"  With train.seq_len = {needed[0]} and features that reach back {reach} rows, {enough:,} are "
        f"enough. {remedy}."
    )


def _log_missing(symbols: Sequence[SymbolRows], features: Features) -> None:
    """Log how many of the numbers that the model reads are missing in the file."""
    for rows in symbols:
        missing = np.isnan(rows.features[rows.first :]).sum(0)
        for name, count in zip(features.names, missing, strict=True):
            if count:
                said = "%s: %s is missing in %d rows; the model reads the training mean instead"
                logger.warning(said, rows.name, name, count)
