"""`plan`: run a few steps of a training and estimate its total time and memory; nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqkit import resources
from seqkit.data import Lanes
from seqkit.errors import SaveError
from seqkit.planning.advice import advise
from seqkit.planning.figures import Memory, Plan, Vocabulary
from seqkit.planning.timing import Stopwatch, expect, run_a_few_steps, time_evaluation, time_first_steps
from seqkit.recipe import Recipe, ResolvedRecipe
from seqkit.registry import registry_with
from seqkit.run.callbacks import progress_of
from seqkit.run.setup import make_training, process_for, resolved
from seqkit.tasks.components import make_model
from seqkit.tasks.text import TextData, TextTask, require_text
from seqkit.training import Trainer
from seqkit.training.checkpoint import save_checkpoint

RARE_BELOW = 5
"""A token that occurs in the training text fewer times than this can hardly be learned."""
COUNTED_AT_ONCE = 10_000_000


def plan(
    recipe: Recipe | ResolvedRecipe | str | Path,
    *,
    plugins: Sequence[Any] = (),
    callbacks: Sequence[object] = (),
) -> Plan:
    """Time a few steps and evaluations of a training, and estimate its total time and memory.

    A model is trained for a few seconds and discarded. No run is made: the tokenised text is written to the
    cache, and one checkpoint to the working directory, which is removed. Behaviour hooks are not called.

    Args:
        recipe: a recipe, or the name or the path of one.
        plugins: see `seqkit.train`.
        callbacks: objects; a method `text_tokenised(characters, total)` is called with the progress of
            tokenising.
    Raises:
        RecipeError: the recipe is for series.
        SeqkitError: any error that `seqkit.train` would raise before its first step, or in its first steps.
    """
    recipe = resolved(recipe, registry_with(plugins))
    require_text(
        recipe,
        f"only recipes for text can be planned; to time a recipe for {recipe.kind}, run it with --seeds 1",
    )
    with process_for(recipe.train) as device:
        data = TextTask().prepare(recipe, on_progress=progress_of(callbacks))
        return advise(_measure(recipe, data, device), recipe, data)


def _measure(recipe: ResolvedRecipe, data: TextData, device: torch.device) -> Plan:
    """The plan without advice."""
    batches = data.training_batches(recipe.train)
    validation = data.validation_batches(recipe.train)
    first_s = time_first_steps(_make_trainer(recipe, data, device), batches)
    stopwatch = Stopwatch()
    trainers: list[Trainer] = []

    def train_a_little() -> None:
        trainers.append(_make_trainer(recipe, data, device, stopwatch))
        run_a_few_steps(trainers[0], batches, validation)

    # Measured on a second model, so that what the first one loaded and compiled is not counted.
    growth, available = _peak_growth(train_a_little, device)
    (trainer,) = trainers
    model = trainer.model
    speed = stopwatch.speed(first_s, time_evaluation(trainer, validation))
    return Plan(
        recipe=recipe.name,
        cell=recipe.cell.use,
        tokenizer=recipe.tokenizer.use,
        device=str(device),
        threads=torch.get_num_threads(),
        engine=model.engine_ran or model.engine,
        parameters=_count(model),
        cell_parameters=_count(model.cell),
        head_parameters=_count(model.head),
        batch_size=batches.lanes if isinstance(batches, Lanes) else batches.batch_size,
        steps_per_epoch=len(batches),
        vocabulary=_vocabulary(data),
        splits=data.corpus.counts,
        speed=speed,
        expected=expect(recipe.train, len(batches), speed),
        memory=_memory(trainer, growth, available),
    )


def _make_trainer(
    recipe: ResolvedRecipe, data: TextData, device: torch.device, *callbacks: object
) -> Trainer:
    model = make_model(recipe, TextTask().sizes(data.tokenizer)).to(device)
    options = {**make_training(recipe.train, model), "read_every": 1}  # each step is timed
    return Trainer(model, **options, callbacks=callbacks)


def _peak_growth(work: Callable[[], None], device: torch.device) -> tuple[float | None, float | None]:
    """Do the work; returns the megabytes by which it raised the peak of memory, and those free before."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        grown = torch.cuda.max_memory_allocated(device) - before
        return grown / resources.MEGABYTE, free / resources.MEGABYTE
    available = resources.available()
    if resources.peak_is_known():
        return resources.peak_growth(work), available
    work()
    return None, available


def _memory(trainer: Trainer, growth: float | None, available: float | None) -> Memory:
    weights = _megabytes(trainer.model.state_dict().values())
    states = trainer.optimizer.state.values()
    optimizer = _megabytes(value for state in states for value in state.values())
    return Memory(
        place=trainer.device.type,
        growth=growth,
        available=available,
        process=resources.peak() if resources.peak_is_known() else None,
        weights=weights,
        optimizer=optimizer,
        checkpoint=weights + optimizer,
        save_s=_save_s(trainer),
    )


def _save_s(trainer: Trainer) -> float | None:
    """Seconds to save a checkpoint in the working directory; it is removed again."""
    try:
        with TemporaryDirectory(prefix=".seqkit-plan-", dir=".") as folder:
            began = time.perf_counter()
            snapshot = trainer.snapshot()
            save_checkpoint(
                Path(folder, "checkpoints"), snapshot.weights, trainer.status.step, None, snapshot=snapshot
            )
            return time.perf_counter() - began
    except (OSError, SaveError):
        return None


def _vocabulary(data: TextData) -> Vocabulary:
    tokenizer = data.tokenizer
    counts = count_ids(data.corpus.ids("train"), tokenizer.vocab_size)
    rare = counts < RARE_BELOW
    for special in (tokenizer.unknown_id, tokenizer.end_id):
        if special is not None:
            rare[special] = False
    return Vocabulary(
        size=tokenizer.vocab_size,
        rare=int(rare.sum()),
        rare_below=RARE_BELOW,
        rare_share=float(counts[rare].sum() / max(counts.sum(), 1)),
    )


def count_ids(ids: NDArray[np.unsignedinteger[Any]], vocab_size: int) -> NDArray[np.int64]:
    """How often each id occurs in a split, `(vocab_size,)`, computed in bounded memory."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, len(ids), COUNTED_AT_ONCE):
        counts += np.bincount(ids[start : start + COUNTED_AT_ONCE], minlength=vocab_size)
    return counts


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _megabytes(values: Iterable[Any]) -> float:
    return sum(value.nbytes for value in values if isinstance(value, Tensor)) / resources.MEGABYTE
