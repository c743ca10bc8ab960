"""From the components that a recipe names to objects."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqkit.cells import Cell, Stacked
from seqkit.cores import leave_busy_cores
from seqkit.engine.lines import step_line
from seqkit.errors import BudgetError, ContractError, SeqkitError
from seqkit.model import SequenceModel, device_of
from seqkit.recipe import Component, Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import Registry
from seqkit.resources import keep_freed_memory
from seqkit.sources import Source
from seqkit.training import make_optimizer, make_schedule
from seqkit.training.optim import is_decayed

logger = logging.getLogger(__name__)


def resolved(recipe: Recipe | ResolvedRecipe | str | Path, registry: Registry) -> ResolvedRecipe:
    """A recipe, or that by a name or a path, resolved.

    Raises:
        UnknownNameError: no recipe has that name.
        RecipeError: with every fault of the recipe.
    """
    if isinstance(recipe, str | Path):
        recipe = Recipe.load(recipe, registry)
    return recipe.resolve(registry) if isinstance(recipe, Recipe) else recipe


def open_source(component: Component) -> Source:
    """The source that a recipe names.

    Raises:
        ContractError: what is declared under that name is none.
    """
    source = made(component)
    if not isinstance(source, Source):
        raise ContractError(f"the source {component.use!r} is no Source: {type(source).__name__}.")
    return source


def made(component: Component, *arguments: Any) -> Any:
    """The object that a component makes of its config.

    Raises:
        ContractError: its constructor does not take a field of its config, or fails.
    """
    target = component.entry.load()
    try:
        inspect.signature(target).bind(*arguments, **component.options())
    except TypeError as error:
        raise ContractError(f"{component.use!r} does not take its own config: {error}.") from error
    return constructed(component.use, partial(target, *arguments, **component.options()))


def constructed(name: str, construct: Callable[[], Any]) -> Any:
    """What a stranger's constructor makes.

    Raises:
        ContractError: it fails; the line is named.
    """
    try:
        return construct()
    except (SeqkitError, MemoryError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever it raises
        hint = ""
        if "before Module.__init__() call" in str(error):
            hint = "\n  Call super().__init__() first in its __init__."
        said = str(error).split("\n", 1)[0]
        place = step_line(error)
        raise ContractError(
            f"the constructor of {name!r} fails: {type(error).__name__}: {said}{place}{hint}"
        ) from error


def outline_model(recipe: ResolvedRecipe, vocab_size: int) -> SequenceModel:
    """The model that the recipe describes, to count its parameters; without numbers where that can be."""
    try:
        with torch.device("meta"):
            return make_model(recipe, vocab_size)
    except ContractError:  # a constructor may read numbers, for instance to scale a matrix by its spectrum
        with torch.random.fork_rng([]):
            return make_model(recipe, vocab_size)


def make_model(recipe: ResolvedRecipe, vocab_size: int | None, features: int = 1) -> SequenceModel:
    """The model that the recipe describes, with fresh weights.

    Args:
        recipe: tables `[cell]` and `[model]`.
        vocab_size: of the tokenizer; None for numbers.
        features: numbers that a row of a series has.
    """
    model = recipe.model
    sizes = {"one_hot": vocab_size or 0, "embedding": model.embedding_size, "raw": features}
    cells: list[Cell] = []
    for _ in range(model.layers):
        input_size = cells[-1].output_size if cells else sizes[model.encoder]
        cells.append(made(recipe.cell, input_size))
    return SequenceModel(
        cells[0] if len(cells) == 1 else Stacked(cells),
        encoder=model.encoder,
        head=model.head,
        vocab_size=vocab_size,
        dropout=model.dropout,
        encoder_dropout=model.encoder_dropout,
        engine=model.engine,
        recompute_every=model.recompute_every,
    )


def make_training(train: TrainConfig, model: SequenceModel) -> dict[str, Any]:
    """The keywords of the trainer: optimizer, schedule and the rest of the `[train]` table."""
    if train.weight_decay and (unusual := _unusually_decayed(model)):
        logger.info(
            "train.weight_decay also decays %s, which no layer of torch.nn multiplies by; "
            "`parameter._no_weight_decay = True` spares one",
            ", ".join(unusual),
        )
    return {
        "optimizer": make_optimizer(
            train.optimizer,
            model.parameters(),
            learning_rate=train.learning_rate,
            weight_decay=train.weight_decay,
            momentum=train.momentum,
        ),
        "schedule": make_schedule(
            train.schedule, warmup_steps=train.warmup_steps, final_fraction=train.final_fraction
        ),
        "clip_norm": train.clip_norm,
        "state": train.state,
        "loss_over_time": train.loss_over_time,
        "precision": train.precision,
        "audit": train.audit,
        "read_every": 1 if device_of(model).type == "cpu" else train.log_every,
    }


def _unusually_decayed(model: SequenceModel) -> list[str]:
    """The decayed parameters that are no weight of a layer of torch.nn, such as a table of decay rates."""
    return [
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if is_decayed(parameter)
        and not type(module).__module__.startswith("torch.nn")
        and not isinstance(module, nn.Embedding)
    ]


def refuse_patience(train: TrainConfig, split: str) -> None:
    """Raise BudgetError where training is to stop by a validation loss that there is not.

    Args:
        train: of the recipe.
        split: the override that gives it one.
    """
    if train.patience is not None:
        raise BudgetError(
            f"train.patience={train.patience} watches the validation loss, and there is no such split.\n"
            f"  Give it one, for instance {split}, or leave the patience out: train.patience=none."
        )


@contextmanager
def process_for(train: TrainConfig) -> Iterator[torch.device]:
    """Torch's random streams and thread count are the run's inside, and afterwards as they were.

    Gives the device that the run computes on. Where the recipe chooses no number of threads, there are as
    many as there are free cores.

    The process keeps the memory that it frees, from here on.
    """
    device = choose_device(train.device)
    keep_freed_memory()
    before = torch.get_num_threads()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(train.seed)
        if train.threads:
            torch.set_num_threads(train.threads)
        else:
            leave_busy_cores()
        try:
            yield device
        finally:
            torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """`"auto"` is cuda where there is one, else cpu.

    Raises:
        ContractError: torch knows no such device, or has none here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        if device.type == "meta":
            raise RuntimeError("it holds no numbers")
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        reason = f" ({reason})" if len(reason) < 80 else ""
        raise ContractError(
            f"the device {name!r} cannot be used here{reason}.\n"
            "  Use train.device=auto, which is cuda where there is one, else cpu."
        ) from error
    return device
