"""A recipe for series on simulated prices: does it find what is there, and nothing else?"""

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
    """Train on AR(1) series, whose next return is half forecast by the last one, and on random walks.

    Args:
        recipe: for series.
        rows: of each.
        series: AR(1) series, with the seeds 0, 1, ...
        walks: random walks, likewise.
        on_training: is told what was trained.
    Returns:
        `ar1`: for each series the RMSE over sigma, over that of the best possible forecast on the same rows,
        and the verdict; `random_walk`: how many were beaten; `seconds` of one training, judging included.
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
    """That of `phi` times the last return, on the last rows."""
    (series,) = Synthetic("ar1", rows, SIGMA, PHI, 1, seed).series()
    returns = np.diff(np.log(series.values[:, 0]))[-judged - 1 :]
    return float(np.sqrt(((returns[1:] - PHI * returns[:-1]) ** 2).mean()))
