"""The same recipe with several seeds, and their joint result."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seqkit.errors import RunError
from seqkit.recipe import Recipe
from seqkit.registry import Registry, registry_with
from seqkit.run import resuming, rundir
from seqkit.run.agreement import claimed
from seqkit.run.base import Run
from seqkit.run.opening import load
from seqkit.run.preparing import Job
from seqkit.run.setup import resolved
from seqkit.run.training import require_options, train_job
from seqkit.tasks import task_of
from seqkit.training.intervals import t_95
from seqkit.training.joining import joined
from seqkit.training.ranks import ALONE, Ranks
from seqkit.training.signals import stopping

SUMMARY = "summary.json"


def train_seeds(
    recipe: Recipe,
    seeds: int,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    init_from: str | Path | None = None,
    extend_vocabulary: bool = False,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Callable[[int], Sequence[object]] = lambda seed: (),
) -> dict[str, Any]:
    """Train a recipe with seeds 0 to `seeds - 1`: `seed-0/`, `seed-1/`, ..., each a complete run.

    Args:
        recipe: the recipe; its own seed is not used.
        seeds: number of seeds, at least two.
        out: the directory above the runs; by default `runs/<recipe>`, then `runs/<recipe>-2`, ...
        resume: continue the seed that stopped, and train those that did not begin.
        init_from, extend_vocabulary, plugins, strict_plugins: see `train`.
        callbacks: from a seed to the callbacks of its run; see `Trainer`.
    Returns:
        The contents of `summary.json`: the best validation loss and, for text, its bits per character. Each
        has the value of every seed, their mean, and a 95 % interval of the mean by Student's t.
    """
    if seeds < 2:
        raise RunError(f"an interval needs at least two seeds, got {seeds}.")
    require_options(out, resume=resume, init_from=init_from, extend_vocabulary=extend_vocabulary)
    begun = _Seeds(
        recipe=recipe.name,
        seeds=seeds,
        init_from=None if init_from is None else str(Path(init_from).resolve()),
        extend_vocabulary=extend_vocabulary,
    )
    # The recipe's faults are reported before a directory is created.
    compares_by_loss = task_of(recipe.resolve(registry := registry_with(plugins))).compares_by_loss
    with joined() as ranks, claimed(ranks, out, recipe.name, resume=resume) as path:
        begun = _Seeds(**ranks.broadcast(lambda: _begin(path, begun, recipe, registry).model_dump()))
        beginning = None if begun.init_from is None else Path(begun.init_from)
        rows: dict[int, Any] = {}
        with ranks.agreed():
            _require_seen(path, ranks)
            for seed in range(ranks.rank, seeds, ranks.world):
                job = Job(
                    ALONE, registry, strict_plugins, callbacks(seed), beginning, begun.extend_vocabulary
                )
                one = resolved(recipe.override([f"train.seed={seed}"]), registry)
                with stopping():
                    run = train_job(one, path / f"seed-{seed}", resume, job)
                rows[seed] = rundir.lowest_validation(run.metrics)
                if rows[seed] is None and compares_by_loss:  # else its report judges the seeds together
                    raise RunError(f"{run.path} has no validation split, so its seeds cannot be compared.")
        every = {int(seed): row for of_rank in ranks.meet(rows) for seed, row in of_rank.items()}
        summary = _summary(path, recipe.name, [every[seed] for seed in range(seeds)])
        if ranks.first:
            rundir.write_json(path / SUMMARY, summary)
    return summary


def _summary(path: Path, recipe: str, best: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The contents of `summary.json`, from the best row of each seed; None where there is no validation."""
    summary = {"path": str(path), "recipe": recipe, "seeds": len(best), "split": "validation"}
    found = [row for row in best if row is not None]
    for name in ("loss", "bits_per_char"):
        if found and name in found[0]:
            summary[name] = mean_and_interval([row[name] for row in found])
    return summary


def _begin(path: Path, begun: _Seeds, recipe: Recipe, registry: Registry) -> _Seeds:
    """Write what the directory is for, or check that it is for the same.

    Raises:
        RunError: it holds one run, or seeds of another recipe.
    """
    if (path / rundir.RECIPE).exists():
        raise RunError(f"{path} holds one run, not several seeds.\n  Resume it without --seeds.")
    if (path / rundir.SEEDS).exists():
        if begun.init_from is None:
            saved = _read_seeds(path)
            beginning = {"init_from": saved.init_from, "extend_vocabulary": saved.extend_vocabulary}
            begun = begun.model_copy(update=beginning)
        _require_the_same(path, recipe, registry)
    rundir.write_json(path / rundir.SEEDS, begun.model_dump(exclude_defaults=True))
    return begun


def _require_seen(path: Path, ranks: Ranks) -> None:
    """Check that this process, which trains seeds of its own, can write where the first reads them.

    Raises:
        RunError: it is on another machine, which has another directory.
    """
    if not ranks.first and not (path / rundir.SEEDS).exists():
        raise RunError(
            f"{path} of the first process is not seen here.\n"
            "  Seeds on several machines need a common directory (--out)."
        )


def load_seeds(
    path: str | Path, device: str = "auto", *, step: int | None = None, plugins: Sequence[Any] = ()
) -> list[Run]:
    """Open the runs that `train_seeds` made in a directory, in order; or the directory itself if it is one.

    Raises:
        RunError: there is no run.
    """
    return [load(folder, device, step=step, plugins=plugins) for folder in folders_of(Path(path))]


def folders_of(path: Path) -> list[Path]:
    """The directories of the runs in a directory of seeds, in order; or the directory itself."""
    inner = [
        folder
        for folder in path.glob("seed-*")
        if folder.name.removeprefix("seed-").isdecimal() and (folder / rundir.RECIPE).is_file()
    ]
    if (path / rundir.RECIPE).is_file() or not inner:
        rundir.require_run(path)
        return [path]
    return sorted(inner, key=lambda folder: int(folder.name.removeprefix("seed-")))


def seeds_in(path: Path) -> int:
    """The number of seeds that a directory is to have; 1 for a run.

    Raises:
        RunError: the file that says so is damaged.
    """
    if (path / rundir.RECIPE).exists() or not (path / rundir.SEEDS).exists():
        return 1
    return _read_seeds(path).seeds


class _Seeds(BaseModel):
    """The contents of `seeds.json`."""

    model_config = ConfigDict(extra="forbid")
    recipe: str
    seeds: int = Field(ge=2)
    init_from: str | None = None
    extend_vocabulary: bool = False


def _read_seeds(path: Path) -> _Seeds:
    try:
        return _Seeds(**rundir.read_object(path / rundir.SEEDS))
    except ValidationError as error:
        raise RunError(f"{path / rundir.SEEDS} is damaged: it does not describe seeds.") from error


def _require_the_same(path: Path, recipe: Recipe, registry: Registry) -> None:
    """Check that the first seed can be continued with a recipe, before anything is changed.

    Raises:
        RunError: it cannot.
    """
    first = path / "seed-0"
    if (first / rundir.RECIPE).exists():
        wanted = recipe.override(["train.seed=0"]).resolve(registry)
        resuming.changes(first, resuming.saved_recipe(first, registry), wanted)


def mean_and_interval(values: Sequence[float]) -> dict[str, Any]:
    """The mean of independent values, and its 95 % interval by Student's t."""
    mean = statistics.fmean(values)
    half = t_95(len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return {"mean": mean, "interval_95": [mean - half, mean + half], "values": list(values)}
