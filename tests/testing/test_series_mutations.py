"""Sources of series that violate their contract, each found by the check for it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from seqkit.errors import SourceError
from seqkit.sources import Series, SeriesSource
from seqkit.testing import SourceCase, run_checks


class Memory(SeriesSource):
    """A correct source; each mutant changes one thing."""

    prices: Any = (1.0, 2.0, 4.0)

    def __init__(self, exists: bool = True) -> None:
        self._exists = exists

    @property
    def fingerprint(self) -> str:
        return repr(self.prices)

    def series(self, split: str = "all") -> Iterator[Any]:
        if not self._exists or split != "all":
            raise SourceError("there is no such data here")
        for name in ("A", "B"):
            yield self.changed(name)

    def changed(self, name: str) -> Any:
        dates = np.datetime64("2021-05-14") + np.arange(len(self.prices))
        values = np.column_stack([self.prices, np.full(len(self.prices), np.nan)])
        return Series(name, dates, values, ("price", "volume"))


class NoSeries(Memory):
    def series(self, split: str = "all") -> Iterator[Any]:
        return iter(list(super().series(split))[:0])


class PlainTuples(Memory):
    def changed(self, name: str) -> Any:
        return tuple(super().changed(name))


class FloatDates(Memory):
    def changed(self, name: str) -> Any:
        series = super().changed(name)
        return series._replace(dates=series.dates.astype(float))


class FlatValues(Memory):
    def changed(self, name: str) -> Any:
        series = super().changed(name)
        return series._replace(values=series.values[:, 0])


class HalfPrecision(Memory):
    def changed(self, name: str) -> Any:
        series = super().changed(name)
        return series._replace(values=series.values.astype(np.float32))


class OneNameForTwoColumns(Memory):
    def changed(self, name: str) -> Any:
        return super().changed(name)._replace(columns=("price", "price"))


class OneNameForAll(Memory):
    def changed(self, name: str) -> Any:
        return super().changed("A")


class Descending(Memory):
    def changed(self, name: str) -> Any:
        series = super().changed(name)
        return series._replace(dates=series.dates[::-1])


class ADateTwice(Memory):
    def changed(self, name: str) -> Any:
        series = super().changed(name)
        return series._replace(dates=series.dates[[0, 1, 1]])


class AHoleInThePrice(Memory):
    prices = (1.0, np.nan, 4.0)


class AnInfiniteVolume(Memory):
    def changed(self, name: str) -> Any:
        series = super().changed(name)
        series.values[1, 1] = np.inf
        return series


class ChangesEachTime(Memory):
    def changed(self, name: str) -> Any:
        series = super().changed(name)
        return series._replace(values=series.values * np.random.default_rng().uniform(1, 2))


class ConstantFingerprint(Memory):
    fingerprint = "the same"  # type: ignore[assignment]


class AnySplit(Memory):
    def series(self, split: str = "all") -> Iterator[Any]:
        return super().series("all")


MUTANTS = [
    (NoSeries, "each_is_a_series"),
    (PlainTuples, "each_is_a_series"),
    (FloatDates, "each_is_a_series"),
    (FlatValues, "each_is_a_series"),
    (HalfPrecision, "each_is_a_series"),
    (OneNameForTwoColumns, "each_is_a_series"),
    (OneNameForAll, "each_is_a_series"),
    (Descending, "dates_ascend"),
    (ADateTwice, "dates_ascend"),
    (AHoleInThePrice, "values_are_finite"),
    (AnInfiniteVolume, "values_are_finite"),
    (ChangesEachTime, "readable_again"),
    (ChangesEachTime, "deterministic"),
    (ConstantFingerprint, "fingerprint_follows_the_data"),
    (AnySplit, "unknown_split"),
]


def failed(source: type[Memory], monkeypatch: pytest.MonkeyPatch, *only: str) -> set[str]:
    case = SourceCase(
        source,
        missing={"exists": False},
        change=lambda: monkeypatch.setattr(source, "prices", (1.0, 3.0, 4.0)),
        exists=True,
    )
    return {result.check for result in run_checks(case, only).results if not result.passed}


def test_the_source_that_the_mutants_derive_from_is_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not failed(Memory, monkeypatch)


@pytest.mark.parametrize(("source", "check"), MUTANTS, ids=[f"{m.__name__}-{c}" for m, c in MUTANTS])
def test_a_wrong_source_is_found(source: type[Memory], check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check in failed(source, monkeypatch, check)
