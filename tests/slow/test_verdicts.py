"""How often the recipe stocks is said to beat the best baseline, on series with a known process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import seqkit
from seqkit.run import SeriesRun
from seqkit.skill import HorizonSkill
from tests.skill.test_choosing import MONTHS, MOST_BEATEN, SERIES, season, walk_with_drift


def trained(log_prices: NDArray[np.float64], folder: Path) -> HorizonSkill:
    folder.mkdir()
    lines = [f"{date}-28,{price:.4f}" for date, price in zip(MONTHS, 50 * np.exp(log_prices), strict=True)]
    (folder / "my.csv").write_text("Date,Close\n" + "\n".join(lines) + "\n", "utf-8")
    run = seqkit.train(seqkit.Recipe.load("stocks").with_data(str(folder / "my.csv")), folder / "run")
    assert isinstance(run, SeriesRun)
    return run.evaluate().horizons[0]


@pytest.mark.parametrize(
    ("law", "best"),
    [(walk_with_drift, "drift"), (season, "same_month_a_year_ago_with_drift")],
    ids=["walks with drift", "seasons"],
)
def test_verdicts_on_trained_models(
    law: Callable[[int], NDArray[np.float64]], best: str, workdir: Path
) -> None:
    found = [trained(law(seed), workdir / str(seed)) for seed in range(SERIES)]
    verdicts = Counter(skill.verdict for skill in found)
    assert Counter(skill.baseline for skill in found)[best] >= SERIES - 2
    assert verdicts["beats"] <= MOST_BEATEN
