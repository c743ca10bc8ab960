"""Setup of a training: the resolved recipe, device and threads, and the keywords of the trainer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqkit import launch
from seqkit.cores import leave_busy_cores
from seqkit.errors import ContractError
from seqkit.model import SequenceModel, device_of
from seqkit.recipe import Recipe, ResolvedRecipe, TrainConfig
from seqkit.registry import Registry
from seqkit.resources import keep_freed_memory
from seqkit.training import make_optimizer, make_schedule
from seqkit.training.optim import is_decayed

logger = logging.getLogger(__name__)


def resolved(recipe: Recipe | ResolvedRecipe | str | Path, registry: Registry) -> ResolvedRecipe:
    """A recipe, given as it is, by name or by path, resolved.

    Raises:
        UnknownNameError: no recipe has that name.
        RecipeError: the recipe has faults; the message lists all of them.
    """
    if isinstance(recipe, str | Path):
        recipe = Recipe.load(recipe, registry)
    return recipe.resolve(registry) if isinstance(recipe, Recipe) else recipe


def make_training(train: TrainConfig, model: SequenceModel) -> dict[str, Any]:
    """The keywords of the trainer: optimizer, schedule and the rest of the `[train]` table."""
    if train.weight_decay and (unusual := _unusually_decayed(model)):
        logger.info(
            "train.weight_decay also decays parameters outside torch.nn layers: %s; "
            "set `parameter._no_weight_decay = True` to exclude one",
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
        "seed": train.seed,
        "read_every": 1 if device_of(model).type == "cpu" else train.log_every,
    }


def _unusually_decayed(model: SequenceModel) -> list[str]:
    """The decayed parameters that are not weights of a torch.nn layer, such as a table of decay rates."""
    return [
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if is_decayed(parameter)
        and not type(module).__module__.startswith("torch.nn")
        and not isinstance(module, nn.Embedding)
    ]


@contextmanager
def process_for(train: TrainConfig) -> Iterator[torch.device]:
    """Set torch's random streams and thread count for a run, and restore both afterwards.

    Yields the device that the run computes on. If the recipe sets no number of threads, one thread per free
    core is used.

    From here on, the process keeps the memory that it frees.
    """
    device = choose_device(train.device)
    keep_freed_memory()
    before = torch.get_num_threads()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(train.seed)
        if train.threads:
            torch.set_num_threads(train.threads)
        else:
            leave_busy_cores(logging.INFO)
        try:
            yield device
        finally:
            torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """The device of this name; `"auto"` is cuda if available, else cpu.

    Of several processes on a machine each has a GPU of its own, if there are enough.

    Raises:
        ContractError: torch does not know the device, or it is not available here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and launch.world() > 1 and torch.cuda.is_available():
        name = f"cuda:{launch.local_rank() % torch.cuda.device_count()}"
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
            "  Use train.device=auto, which is cuda if available, else cpu."
        ) from error
    return device
