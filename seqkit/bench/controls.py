"""A recipe for series on simulated prices: does it find the skill that is there, and no other?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from seqkit.recipe import Recipe
from seqkit.registry import registry_with
from seqkit.run.controls import judge_synthetic, run_controls
from seqkit.sources.synthetic import Synthetic

SIGMA, PHI = 0.01, 0.5


def measure(
    recipe: str = "stocks",
    *,
    rows: int = 3000,
    series: int = 20,
    walks: int = 20,
    on_training: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """Train on AR(1) series, whose next return is on average half of the last one, and on random walks.

    Args:
        recipe: name or path of a recipe for series.
        rows: length of each series.
        series: number of AR(1) series, with the seeds 0, 1, ...
        walks: number of random walks, with the seeds 0, 1, ...
        on_training: called after each training with its name and verdict.
    Returns:
        `ar1`: for each series, the RMSE divided by sigma, the RMSE divided by that of the best possible
        forecast on the same rows, and the verdict. `random_walk`: the number of walks by verdict.
        `seconds`: time of one training, including judging.
    """
    resolved = Recipe.load(recipe, registry_with(())).resolve(registry_with(()))
    found, began = [], time.perf_counter()
    for seed in range(series):
        skill = judge_synthetic(resolved, process="ar1", rows=rows, sigma=SIGMA, seed=seed)
        best = _best_rmse(rows, seed, skill.rows)
        found.append(
            {
                "seed": seed,
                "over_sigma": skill.rmse["model"] / SIGMA,
                "over_best": skill.rmse["model"] / best,
                "naive_over_best": skill.rmse["naive"] / best,
                "verdict": skill.verdict,
            }
        )
        on_training(f"ar1 {seed}: {skill.verdict}")
    seconds = (time.perf_counter() - began) / series
    control = run_controls(
        resolved,
        rows=rows,
        sigma=SIGMA,
        walks=walks,
        on_walk=lambda walk, verdict: on_training(f"random walk {walk}: {verdict}"),
    )
    return {"ar1": found, "random_walk": control.verdicts, "seconds": seconds}


def _best_rmse(rows: int, seed: int, judged: int) -> float:
    """RMSE of the forecast `phi` times the last return, on the last rows."""
    (series,) = Synthetic("ar1", rows, SIGMA, PHI, 1, seed).series()
    returns = np.diff(np.log(series.values[:, 0]))[-judged - 1 :]
    return float(np.sqrt(((returns[1:] - PHI * returns[:-1]) ** 2).mean()))
