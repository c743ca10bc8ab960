"""Splits by date: one training, one validation and one test period, the same for all symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqkit.data.series.rows import SymbolRows
from seqkit.errors import SourceError

Dates: TypeAlias = NDArray[np.datetime64]
SplitName: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Cuts:
    """The two dates between the splits. A row belongs to a split by the date of the row that it predicts."""

    validation_from: np.datetime64
    test_from: np.datetime64

    def split_of(self, dates: Dates) -> NDArray[np.int8]:
        """0 for training, 1 for validation, 2 for test, by date."""
        return (dates >= self.validation_from).astype(np.int8) + (dates >= self.test_from).astype(np.int8)

    def to_json(self) -> dict[str, str]:
        """ISO dates."""
        return {"validation_from": str(self.validation_from), "test_from": str(self.test_from)}


def choose_cuts(
    symbols: Sequence[SymbolRows],
    fractions: tuple[float, float, float],
    validation_from: str | None = None,
    test_from: str | None = None,
) -> Cuts:
    """The dates where validation and test begin.

    Args:
        symbols: all symbols the model is trained on.
        fractions: shares of the dates on which any symbol has a row to predict.
        validation_from, test_from: ISO dates that replace the fractions.
    Raises:
        SourceError: a date is invalid, or the test split begins before the validation split.
    """
    dates = np.unique(np.concatenate([symbol.target_dates for symbol in symbols]))
    train, validation, _ = fractions
    ends = (train, train + validation)
    beyond = dates[-1] + np.timedelta64(1)  # the beginning of a split without rows
    found = [[*dates, beyond][min(round(end * len(dates)), len(dates))] for end in ends]
    for place, given in enumerate((validation_from, test_from)):
        if given is not None:
            try:
                found[place] = np.datetime64(given)
            except ValueError:
                key = ("series.validation_from", "series.test_from")[place]
                raise SourceError(f"{key}={given!r} is not a date such as 2012-12-31.") from None
    for place, given in enumerate((validation_from, test_from)):
        if given is not None and not dates[0] < found[place] <= dates[-1]:
            key = ("series.validation_from", "series.test_from")[place]
            raise SourceError(f"{key}={given} is outside the rows to predict, {dates[0]} to {dates[-1]}.")
    if found[0] > found[1]:
        raise SourceError(f"the test split begins at {found[1]}, before the validation split, at {found[0]}.")
    return Cuts(*found)
