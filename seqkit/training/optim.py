"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import nn

from seqkit.errors import UnknownNameError

Schedule: TypeAlias = Callable[[int, float], float]
"""`(step, progress) -> factor` of the learning rate; progress goes from 0 to 1 over the budget."""

OPTIMIZERS: Final[dict[str, Callable[..., torch.optim.Optimizer]]] = {
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}

SHAPES: Final[dict[str, Callable[[float], float]]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
}


def make_optimizer(
    name: Literal["adamw", "sgd", "rmsprop"],
    parameters: Iterable[nn.Parameter],
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
) -> torch.optim.Optimizer:
    """A PyTorch optimizer by name.

    Args:
        name: `"adamw"`, `"sgd"` or `"rmsprop"`.
        parameters: all parameters of the model; frozen ones are left out.
        learning_rate: the base learning rate, which the schedule multiplies.
        weight_decay: weight decay of matrices; vectors (biases, gains) are not decayed, nor is a parameter
            with the mark `parameter._no_weight_decay = True`.
        momentum: momentum of sgd and rmsprop; adamw has its own.
    """
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if is_decayed(p)], "weight_decay": weight_decay},
        {"params": [p for p in trained if not is_decayed(p)], "weight_decay": 0.0},
    ]
    # Fused: one pass over the parameters instead of ten. PyTorch has it for real numbers only.
    is_real = not any(parameter.is_complex() for parameter in trained)
    on_gpu = any(parameter.is_cuda for parameter in trained)
    options: dict[str, Any] = {} if name == "adamw" else {"momentum": momentum}
    if name == "adamw" or (name == "sgd" and on_gpu):
        options["fused"] = is_real
    return OPTIMIZERS[name]([group for group in groups if group["params"]], lr=learning_rate, **options)


def is_decayed(parameter: nn.Parameter) -> bool:
    """Whether weight decay applies to a parameter: a matrix without the mark `_no_weight_decay`."""
    return parameter.ndim >= 2 and not getattr(parameter, "_no_weight_decay", False)


def make_schedule(
    name: Literal["constant", "linear", "cosine"], *, warmup_steps: int = 0, final_fraction: float = 0.0
) -> Schedule:
    """The learning-rate schedule over the budget, whether that is in steps, epochs or minutes.

    Args:
        name: the shape after the warm-up.
        warmup_steps: steps over which the learning rate rises linearly from nearly 0.
        final_fraction: fraction of the learning rate at the end of `"linear"` and `"cosine"`.
    """
    if name not in SHAPES:
        raise UnknownNameError("schedule", name, SHAPES)
    shape = SHAPES[name]

    def factor(step: int, progress: float) -> float:
        warm = min(1.0, (step + 1) / (warmup_steps + 1))
        return warm * (final_fraction + (1.0 - final_fraction) * shape(min(max(progress, 0.0), 1.0)))

    return factor
