"""The data of a training, read before there is a directory, and the same in all of its processes."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from seqkit.data import Lanes
from seqkit.errors import ContractError
from seqkit.recipe import ResolvedRecipe, TrainConfig
from seqkit.registry import BehaviourHooks, Registry
from seqkit.run.agreement import require_agreement
from seqkit.run.callbacks import progress_of
from seqkit.run.fine_tuning import Beginning, begin_from
from seqkit.run.opening import open_run
from seqkit.run.setup import choose_device
from seqkit.tasks import Sizes, Task, TaskData, task_of
from seqkit.tasks.base import asking
from seqkit.training.ranks import Ranks

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What does not change between the parts of a training."""

    ranks: Ranks
    registry: Registry
    strict_plugins: bool
    callbacks: Sequence[object]
    init_from: Path | None = None
    extend_vocabulary: bool = False

    @cached_property
    def hooks(self) -> BehaviourHooks:
        """The hooks of the plugins."""
        return BehaviourHooks(self.registry, self.strict_plugins)


@dataclass(frozen=True)
class Prepared:
    """The data of a recipe, ready for training, before there is a directory."""

    task: Task
    data: TaskData
    batches: Any
    validation: Any
    saved: Any
    sizes: Sizes
    beginning: Beginning | None = None


def prepare_first(recipe: ResolvedRecipe, job: Job) -> Prepared:
    """The data of a new run, with what it takes from another one; the processes are connected then."""
    prepared = None
    with job.ranks.agreed():
        if job.init_from is None:
            prepared = prepare(recipe, job)
        elif job.ranks.first:
            run = open_run(job.init_from, job.registry)
            beginning = begin_from(run, recipe, task_of(recipe), extend_vocabulary=job.extend_vocabulary)
            prepared = replace(prepare(recipe, job, beginning.kept), beginning=beginning)
    if job.init_from is not None:
        saved = job.ranks.broadcast(lambda: None if prepared is None else prepared.saved)
        with job.ranks.agreed():
            prepared = prepared or prepare(recipe, job, task_of(recipe).restore(recipe, saved))
    assert prepared is not None
    connect(recipe, job, prepared)
    return prepared


def connect(recipe: ResolvedRecipe, job: Job, prepared: Prepared) -> None:
    """Check that all processes are about to train the same, and connect them.

    Raises:
        RankError: they are not, or they cannot be connected.
    """
    ranks, train = job.ranks, recipe.train
    if ranks.world == 1:
        return
    require_agreement(ranks, recipe, job.registry, prepared.data, prepared.saved)
    with ranks.agreed():
        device = choose_device(train.device)
        if device.type not in ("cpu", "cuda") or ":" in train.device:
            raise ContractError(
                f"train.device={train.device} is not a device for {ranks.world} processes.\n"
                "  Use cuda, which is a GPU for each of them, or cpu."
            )
        if not hasattr(prepared.batches, "share"):
            raise ContractError(
                f"batches of the task {recipe.kind!r} have no method share(ranks), so all {ranks.world} "
                "processes would train on the same rows.\n"
                "  Train with one process, or add it: see `Windows.share`."
            )
    ranks.connect(device, train.timeout_minutes, train.compress)


def prepare(recipe: ResolvedRecipe, job: Job, kept: Any = None) -> Prepared:
    """The data of a recipe.

    Args:
        recipe: the recipe.
        job: the training.
        kept: what the run keeps already, such as its tokenizer.
    """
    task, progress = task_of(recipe), progress_of(job.callbacks)
    with asking(recipe, "its data"):
        given = {} if kept is None else {"kept": kept}
        data = task.prepare(recipe, on_progress=progress, **given)
        batches = data.training_batches(recipe.train)
        validation = data.validation_batches(recipe.train)
        sizes, saved = task.sizes(data.kept), data.saved()
        json.dumps(saved)  # what is not JSON fails before there is a directory
    _warn_of_short_splits(recipe.train, batches, validation)
    return Prepared(task, data, batches, validation, saved, sizes)


def _warn_of_short_splits(train: TrainConfig, batches: Any, validation: Any) -> None:
    """Warn if the training split gives fewer lanes than requested, or if there is no validation split."""
    if isinstance(batches, Lanes) and batches.lanes < train.batch_size:
        logger.warning(
            "the training split has room for %d lanes of one window, not for train.batch_size = %d",
            batches.lanes,
            train.batch_size,
        )
    if validation is None:
        logger.warning("there is no validation split: the last weights are kept, not the best")
