"""Control runs: a recipe on simulated random walks, which cannot be forecast.

A recipe, or a tool, that "beats" the best baseline on them would beat it on any data.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqkit.recipe import ResolvedRecipe
from seqkit.run import rundir
from seqkit.run.series import SeriesRun
from seqkit.run.training import train

WALKS = 20
SUSPICIOUS = 4
"""A recipe that beats the best baseline on this many of 20 walks has a report that cannot be trusted."""


@dataclass(frozen=True)
class Control:
    """Result of the control runs."""

    walks: int
    verdicts: dict[str, int]
    """Number of walks on which the recipe beat, tied with and lost to the best baseline, one row ahead."""
    spread_verdicts: dict[str, int]
    """Its distribution compared with a normal one of constant volatility; empty for a point head."""
    ratios: list[float]
    """Error of the model divided by that of the best baseline, for each walk."""
    trustworthy: bool
    """Whether the recipe beat the best baseline on fewer than a fifth of the walks."""


def run_controls(
    recipe: ResolvedRecipe,
    *,
    rows: int,
    sigma: float,
    walks: int = WALKS,
    plugins: Sequence[Any] = (),
    on_walk: Callable[[int, str], None] = lambda walk, verdict: None,
) -> Control:
    """Train a recipe on random walks, one seed each, and judge it on their test splits.

    Args:
        recipe: a recipe for series. Its source is replaced, volume and range are left out, and forecasts one
            row ahead are judged.
        rows: length of each walk.
        sigma: standard deviation of the log returns.
        walks: number of walks, with the seeds 0, 1, ...
        plugins: see `seqkit.train`.
        on_walk: called after each walk with its number and verdict.
    """
    verdicts, spread_verdicts = Counter[str](), Counter[str]()
    ratios = []
    for walk in range(walks):
        skill = judge_synthetic(recipe, rows=rows, sigma=sigma, seed=walk, plugins=plugins)
        verdicts[skill.verdict] += 1
        if skill.distribution is not None:
            spread_verdicts[skill.distribution.constant.verdict] += 1
        ratios.append(skill.best.ratio)
        on_walk(walk, skill.verdict)
    trustworthy = verdicts["beats"] * WALKS < SUSPICIOUS * walks
    return Control(walks, _counted(verdicts), _counted(spread_verdicts), ratios, trustworthy)


def _counted(verdicts: Counter[str]) -> dict[str, int]:
    return {verdict: verdicts[verdict] for verdict in ("beats", "ties", "loses")} if verdicts else {}


def judge_synthetic(
    recipe: ResolvedRecipe,
    *,
    process: str = "random_walk",
    rows: int,
    sigma: float,
    seed: int,
    plugins: Sequence[Any] = (),
) -> Any:
    """The skill one row ahead of a recipe that is trained on simulated prices; the run is discarded."""
    changed = recipe.override(
        [
            "source.use=synthetic",
            f"source.process={process}",
            f"source.rows={rows}",
            f"source.sigma={sigma!r}",
            f"source.seed={seed}",
            "series.horizon=1",
            *_split_without_dates(recipe),
            *(f"series.{key}=false" for key in ("volume", "range")),
        ]
    )
    with tempfile.TemporaryDirectory(prefix="seqkit-control-") as folder:
        run = train(changed, Path(folder) / "run", plugins=plugins)
        assert isinstance(run, SeriesRun)  # a synthetic source gives series
        return run.evaluate("test", count=False).horizons[0]


def _split_without_dates(recipe: ResolvedRecipe) -> list[str]:
    """The recipe's fractions; the default ones if it has dates or no test split."""
    dates = [key for key in ("validation_from", "test_from") if getattr(recipe.series, key)]
    usual = ["series.split=0.7,0.1,0.2"] if dates or not recipe.series.split[2] else []
    return [*(f"series.{key}=none" for key in dates), *usual]


def write_control(path: Path, control: Control) -> None:
    """Write it to a run's directory, for later reports; an existing report is updated with it."""
    rundir.write_json(path / rundir.CONTROL, asdict(control))
    report = path / rundir.REPORT
    if report.is_file():
        marked = {"control": asdict(control), "trustworthy": control.trustworthy}
        rundir.write_json(report, {**rundir.read_json(report), **marked})
