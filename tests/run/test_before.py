"""Run directories from before a change open after it (`before/` was written by commit 1f84a6e)."""

import shutil
from pathlib import Path

import pytest

import seqkit

BEFORE = Path(__file__).parent / "before"


@pytest.fixture(autouse=True)
def copied(workdir: Path) -> None:
    shutil.copytree(BEFORE, workdir, dirs_exist_ok=True)


def test_a_run_on_text() -> None:
    run = seqkit.load("text")
    assert run.recipe.kind == "text"
    assert run.generate("the ", temperature=0) == "1" * 20
    assert run.score("a dog").bits_per_char == pytest.approx(5.22692985534668, rel=1e-6)
    assert run.metrics[-1]["split"] == "validation"
    again = seqkit.Recipe.load("./text").resolve()
    assert (again.kind, again.cell.config.hidden_size, again.train.steps) == ("text", 4, 6)


def test_a_run_on_series() -> None:
    run = seqkit.load("series")
    assert run.recipe.kind == "series"
    (outlook,) = run.forecast()
    assert outlook.sessions[0].price == pytest.approx(91.57605244819757, rel=1e-6)
    assert seqkit.Recipe.load("./series").resolve().series.lags == [1]
