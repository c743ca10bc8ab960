"""The speed of several processes that train one run, compared with one process, and with a prediction.

a step of N processes  =  a step of N processes that train apart, each on its share of the rows
                        + one message, and one sum of the gradients of all
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

from seqkit.errors import RunError
from seqkit.recipe import Recipe
from seqkit.registry import registry_with


def measure(
    recipes: Sequence[str],
    *,
    counts: Sequence[int] = (2,),
    engines: Sequence[str] = ("fused", "compiled"),
    data: str | None = None,
    overrides: Sequence[str] = (),
    seconds: float = 20.0,
    repeats: int = 3,
    plugins: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Train with one process that has all cores, and with several that share them, in turn.

    Args:
        recipes: names of recipes.
        counts: numbers of processes.
        engines: engines of the model.
        data: a file that replaces the recipes' sources.
        overrides: overrides for all recipes.
        seconds: length of each training.
        repeats: trainings of each kind.
        plugins: plugins in addition to the installed ones.
    Returns:
        For each recipe, engine and number of processes: `tokens_per_s` and `ms_per_step` of one process and
        of several (medians), `ratio` (the median of the repeats' ratios of speed) and `ratios` (its range);
        `apart_ms`, `exchange_ms` and their sum, `predicted_ms`.
    """
    cores = len(os.sched_getaffinity(0))
    rows = []
    for name, engine, count in product(recipes, engines, counts):
        threads = max(1, cores // count)
        changes = [*overrides, f"model.engine={engine}"]
        given = [name, data, changes, seconds, list(plugins)]
        share = [*changes, f"train.batch_size={max(1, _rows(name, overrides, plugins) // count)}"]
        one, several, apart = [], [], []
        for _ in range(repeats):
            one.append(_run("train", given, threads=cores))
            several.append(_run("train", given, threads=threads, together=count))
            apart.append(
                _run("train", [name, data, share, seconds, list(plugins)], threads=threads, apart=count)
            )
        parameters = one[0]["parameters"]
        exchange_ms = _run("exchange", [parameters], threads=threads, together=count)["ms"]
        apart_ms = statistics.median(each["ms_per_step"] for each in apart)
        ratios = [
            many["tokens_per_s"] / alone["tokens_per_s"] for alone, many in zip(one, several, strict=True)
        ]
        medians = {
            key: [statistics.median(each[key] for each in kind) for kind in (one, several)]
            for key in ("tokens_per_s", "ms_per_step")
        }
        rows.append(
            {
                "recipe": name,
                "engine": engine,
                "parameters": parameters,
                "ranks": count,
                "threads": [cores, threads],
                **medians,
                "ratio": statistics.median(ratios),
                "ratios": [min(ratios), max(ratios)],
                "apart_ms": apart_ms,
                "exchange_ms": exchange_ms,
                "predicted_ms": apart_ms + exchange_ms,
            }
        )
    return rows


def _rows(name: str, overrides: Sequence[str], plugins: Sequence[str]) -> int:
    registry = registry_with(plugins)
    return Recipe.load(name, registry).override(overrides).resolve(registry).train.batch_size


def _run(what: str, arguments: Any, *, threads: int, together: int = 1, apart: int = 1) -> dict[str, Any]:
    """What the first of some processes prints, which train together or apart."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(together)]
    line = [sys.executable, *(launcher if together > 1 else ()), "-m", "seqkit.bench.ranks_process"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    processes = [
        subprocess.Popen(
            [*line, json.dumps([what, arguments])],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(apart)
    ]
    ended = [process.communicate() for process in processes]
    if any(process.returncode for process in processes):
        raise RunError("a training failed:\n" + "\n".join(error[-2000:] for _, error in ended))
    result: dict[str, Any] = json.loads(ended[0][0].splitlines()[-1])
    return result
