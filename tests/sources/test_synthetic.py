"""Simulated prices, compared with known properties of their processes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seqkit.sources.synthetic import Synthetic


def returns(process: str, **options: object) -> NDArray[np.float64]:
    (series,) = Synthetic(process, 20_000, 0.02, 0.6, **options).series()
    return np.diff(np.log(series.values[:, 0]))


def lag_one(values: NDArray[np.float64]) -> float:
    return float(np.corrcoef(values[1:], values[:-1])[0, 1])


def test_a_random_walk_has_no_memory() -> None:
    found = returns("random_walk")
    assert found.std() == pytest.approx(0.02, rel=0.02)
    assert abs(lag_one(found)) < 0.02
    assert abs(lag_one(found**2)) < 0.02


def test_an_ar1_remembers_its_last_return() -> None:
    found = returns("ar1")
    assert lag_one(found) == pytest.approx(0.6, abs=0.02)
    assert (found[1:] - 0.6 * found[:-1]).std() == pytest.approx(0.02, rel=0.02)


def test_a_garch_remembers_its_volatility_only() -> None:
    found = returns("garch")
    assert found.std() == pytest.approx(0.02, rel=0.15)
    assert abs(lag_one(found)) < 0.05
    assert lag_one(found**2) > 0.1


def test_the_seed_decides_every_price() -> None:
    assert (returns("ar1", seed=1) == returns("ar1", seed=1)).all()
    assert (returns("ar1", seed=1) != returns("ar1", seed=2)).any()
    first, second = Synthetic(symbols=2).series()
    assert (first.name, second.name) == ("S1", "S2")
    assert (first.values != second.values).any()
    assert (np.diff(first.dates) > 0).all()
