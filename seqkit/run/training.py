"""Training a recipe into a run directory, and continuing one."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from seqkit.errors import RunError
from seqkit.files import remove, replacing, sync
from seqkit.recipe import Recipe, ResolvedRecipe
from seqkit.registry import registry_with
from seqkit.run import provenance, resuming, rundir
from seqkit.run.agreement import claimed
from seqkit.run.base import Run
from seqkit.run.callbacks import require_rows
from seqkit.run.fine_tuning import beginning_of
from seqkit.run.fitting import fit
from seqkit.run.opening import read_kept, run_class
from seqkit.run.preparing import Job, Prepared, connect, prepare, prepare_first
from seqkit.run.setup import process_for, resolved
from seqkit.tasks import Task, task_of
from seqkit.tasks.components import make_model
from seqkit.training import keeping
from seqkit.training.joining import joined
from seqkit.training.manifest import read_manifest
from seqkit.training.signals import stopping
from seqkit.training.snapshot import Snapshot, spread

logger = logging.getLogger(__name__)


def train(
    recipe: Recipe | ResolvedRecipe | str | Path,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    init_from: str | Path | None = None,
    extend_vocabulary: bool = False,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Sequence[object] = (),
) -> Run:
    """Train a recipe, into a new run directory.

    Args:
        recipe: a recipe, or the name or the path of one.
        out: the directory; by default `runs/<recipe>`, then `runs/<recipe>-2`, ...
        resume: if `out` holds a run of the recipe, continue it, or open it if it is complete.
        init_from: directory of a run of the same model: training begins with its best weights, and with its
            tokenizer or scaler; the optimizer and the budget are new.
        extend_vocabulary: with `init_from`, add the tokens that only the new text has.
        plugins: plugins in addition to the installed ones: files (`"./mycell.py"`), modules, or declarations
            such as `CellPlugin("mycell", MyConfig, MyCell)`; `"no:NAME"` blocks an installed one.
        strict_plugins: whether an exception in a behaviour hook stops training; else it is logged once.
        callbacks: see `Trainer`; a method `text_tokenised(characters, total)` is called with the progress of
            tokenising, before training begins.
    Returns:
        The run, with its best weights if there was validation data, else its last ones.
    Raises:
        RecipeError: the recipe has faults; the message lists all of them.
        SourceError: the data cannot be read, or is too short.
        RunError: the directory is not empty; with `resume`, the run in it cannot be continued so; or the run
            of `init_from` has another model.
        PluginError: a plugin that was given cannot be loaded.
        NonFiniteError, AuditError: see `Trainer.fit`. Like Ctrl-C, and every other exception after the first
            step, they leave a checkpoint of that moment, and the best weights, in the run.
        RankError: of several processes, another one has failed or gone, or has other data.

    Under torchrun, or with an initialized process group, the processes train one run together. Every one of
    them calls this function with the same arguments, and its own callbacks; only the first writes to the
    directory, and calls the hooks.
    """
    require_options(out, resume=resume, init_from=init_from, extend_vocabulary=extend_vocabulary)
    with joined() as ranks, stopping():
        with ranks.agreed():
            registry = registry_with(plugins)
            wanted = resolved(recipe, registry)
        began = None if init_from is None else Path(init_from)
        job = Job(ranks, registry, strict_plugins, callbacks, began, extend_vocabulary)
        return train_job(wanted, out, resume, job)


def require_options(
    out: str | Path | None, *, resume: bool, init_from: str | Path | None, extend_vocabulary: bool
) -> None:
    """Check that arguments of `train` fit together, before anything begins.

    Raises:
        RunError: they do not.
    """
    if extend_vocabulary and init_from is None:
        raise RunError("to extend the vocabulary of a run, give its directory: --from (init_from=).")
    if resume and out is None:
        raise RunError("to resume a run, give its directory: out= (on the command line --out).")


def train_job(recipe: ResolvedRecipe, out: str | Path | None, resume: bool, job: Job) -> Run:
    """Train a recipe into the directory `out`, or continue what is there; see `train`."""
    if not resume:
        with process_for(recipe.train) as device:
            prepared = prepare_first(recipe, job)
            with claimed(job.ranks, out, recipe.name) as path:
                return _begin(recipe, job, prepared, path, device)
    with claimed(job.ranks, out, recipe.name, resume=True) as path:
        if job.ranks.broadcast(lambda: _found_in(path)) == rundir.RECIPE:
            return _continue(recipe, path, job)
        with process_for(recipe.train) as device:
            return _begin(recipe, job, prepare_first(recipe, job), path, device)


def _found_in(path: Path) -> str:
    """The file that makes a directory a run; an empty string if there is none.

    Raises:
        RunError: it holds several seeds.
    """
    if (path / rundir.SEEDS).exists():
        raise RunError(
            f"{path} holds several seeds, not one run.\n  Continue them all: seqkit resume {path}."
        )
    return rundir.RECIPE if (path / rundir.RECIPE).exists() else ""


def resume(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    plugins: Sequence[Any] = (),
    strict_plugins: bool = False,
    callbacks: Sequence[object] = (),
) -> Run:
    """Continue the training of a run from its newest checkpoint.

    The result is that of a training that was never interrupted, bit for bit, as long as versions, device,
    engine, threads and budget are the same; a change of them is logged.

    Args:
        path: the run directory.
        overrides: `key=value` of the budget, patience, intervals, learning rate, schedule, device or threads.
        plugins, strict_plugins, callbacks: see `train`.
    Returns:
        The run; it is opened only, if its training is complete.
    Raises:
        RunError: there is no run, an override changes what it is, its data has changed, or another process
            trains it.
    """
    registry = registry_with(plugins)
    with stopping(), joined() as ranks:
        job = Job(ranks, registry, strict_plugins, callbacks)
        ranks.broadcast(lambda: rundir.require_run(Path(path)))
        with claimed(ranks, path, Path(path).name, resume=True) as path:

            def wanted() -> tuple[str, str]:
                recipe = resuming.saved_recipe(path, registry).override(overrides).resolve(registry)
                return recipe.name, recipe.to_toml()

            name, text = ranks.broadcast(wanted)
            return _continue(Recipe(name=name, **tomllib.loads(text)).resolve(registry), path, job)


def _begin(recipe: ResolvedRecipe, job: Job, prepared: Prepared, path: Path, device: torch.device) -> Run:
    """Train into a directory that is claimed and empty."""
    with job.ranks.agreed():
        run = _made_run(recipe, prepared, path, device)
        if job.ranks.first:
            logger.info("the run is in %s", path)
            _write_run(run, job, prepared)
    return _fit(run, job, prepared, None)


def _write_run(run: Run, job: Job, prepared: Prepared) -> None:
    """Write the files of a run that do not change."""
    path = run.path
    described = provenance.describe(run.recipe, job.registry, prepared.data, run.model, job.ranks)
    if prepared.beginning is not None:
        prepared.beginning.give_weights(run.model)
        described["from"] = prepared.beginning.describe()
        logger.info("it begins with the weights of %(path)s, step %(step)d", described["from"])
    rundir.write_json(path / rundir.PROVENANCE, described)
    provenance.keep_plugin_texts(path, job.registry)
    rundir.write_json(path / prepared.task.file, prepared.saved)
    with replacing(path / rundir.RECIPE) as partial:  # the last: with it, the directory is a run
        run.recipe.save(partial)
    sync(path)


def _continue(recipe: ResolvedRecipe, path: Path, job: Job) -> Run:
    """Continue the run in a directory that is claimed; open it if its training is complete."""
    ranks = job.ranks

    def begin() -> tuple[Any, Any]:
        changes = resuming.changes(path, resuming.saved_recipe(path, job.registry), recipe)
        return changes, _clean_up(path, job, recipe)

    changes, kept_values = ranks.broadcast(begin)
    kept = None if kept_values is None else task_of(recipe).restore(recipe, kept_values)
    with process_for(recipe.train) as device:
        with ranks.agreed():
            prepared = prepare(recipe, job, kept)
        connect(recipe, job, prepared)
        start = None
        with ranks.agreed():
            run = _made_run(recipe, prepared, path, device)
            if ranks.first:
                described = provenance.describe(recipe, job.registry, prepared.data, run.model, ranks)
                resuming.require_the_same(path, described, prepared.task.file, prepared.saved)
                start = _newest_snapshot(path, prepared.task, has_changed=bool(changes))
                resuming.keep(path, changes)
        return _fit(run, job, prepared, spread(start, ranks))


def _clean_up(path: Path, job: Job, recipe: ResolvedRecipe) -> Any:
    """Remove what a killed process has left.

    Returns:
        The values of what the run keeps, such as its tokenizer, if it has begun with another run.
    """
    keeping.sweep(path / rundir.CHECKPOINTS)
    for left in path.glob("*.partial"):
        remove(left)
    began_with = rundir.read_object(path / rundir.PROVENANCE).get("from")
    if job.init_from is not None:
        resuming.require_the_same_beginning(path, began_with, beginning_of(job.init_from))
    if began_with is None:
        return None
    read_kept(path, recipe, task_of(recipe))  # which checks it
    return rundir.read_json(path / task_of(recipe).file)


def _newest_snapshot(path: Path, task: Task, *, has_changed: bool) -> Snapshot | None:
    """The snapshot to continue from; None if there is none, so that the training begins again.

    Args:
        path: the run directory.
        task: the task of its recipe.
        has_changed: whether the recipe, such as its budget, has.
    """
    found = keeping.newest_snapshot(
        path / rundir.CHECKPOINTS, lambda snapshot: require_rows(path / rundir.METRICS, snapshot.values)
    )
    if found is None:
        resuming.require_unfinished(path)
        logger.info("%s has no checkpoint to resume from: its training begins again", path)
        return None
    resuming.require_whole(path, task.file, read_manifest(found[0]))
    step = found[1].values["step"]
    ended = rundir.read_object(path / rundir.ENDED) if (path / rundir.ENDED).exists() else {}
    is_complete = ended.get("finished") is True and ended.get("steps") == step and not has_changed
    logger.info("%s is complete, at step %d" if is_complete else "%s continues from step %d", path, step)
    return found[1]


def _made_run(recipe: ResolvedRecipe, prepared: Prepared, path: Path, device: torch.device) -> Run:
    model = make_model(recipe, prepared.sizes).to(device)
    return run_class(recipe)(path, recipe, prepared.data.kept, model)


def _fit(run: Run, job: Job, prepared: Prepared, start: Snapshot | None) -> Run:
    fit(
        run,
        prepared.task,
        prepared.batches,
        prepared.validation,
        start,
        hooks=job.hooks,
        callbacks=job.callbacks,
        ranks=job.ranks,
    )
    return run
