"""A snapshot: everything that a trainer needs to continue, as tensors by name and JSON values.

    weights          weights and persistent buffers, as in the model's `state_dict`
    tensors
      optimizer.W.K  value K that the optimizer keeps for the weight W
      carried.N      leaf N of the carried state, `(rows, ...)`, in the order of `cell.initial_state`
      losses         loss of every step, float64
    values           step, epoch, batch, meters, evaluations, best, states of the callbacks

No random generator is in it: the random numbers of a step follow from (seed, step), see `step_seed`.
"""

from __future__ import annotations

import inspect
import json
import logging
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.optim import Optimizer
from torch.utils import _pytree as pytree  # torch has no public one; its own engines use this

from seqkit.cells.base import State
from seqkit.errors import ContractError
from seqkit.training.meter import Reading
from seqkit.training.ranks import Ranks
from seqkit.training.state import Best

if TYPE_CHECKING:
    from seqkit.training.trainer import Trainer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """Everything that a trainer needs to continue; see `Trainer.snapshot`.

    Args:
        weights: weights and persistent buffers, by name.
        tensors: the optimizer's values, the carried state and the losses, by name.
        values: plain JSON values.
        best_weights: weights with the lowest validation loss, if these are not the weights of the snapshot.
    """

    weights: Mapping[str, Tensor]
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]
    best_weights: Mapping[str, Tensor] | None = None


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Seed of the random numbers of one step, such as those of dropout.

    Args:
        seed: seed of the training.
        step: number of the step, from 1.
        rank: number of the process, if several train one model.
    """
    return int.from_bytes(blake2b(f"{seed}:{step}:{rank}".encode()).digest()[:8], "little")


def seed_step(seed: int, step: int, device: torch.device, rank: int = 0) -> None:
    """Set torch's generator of the device for one step; see `step_seed`."""
    generator = torch.default_generator
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generator = torch.cuda.default_generators[index]
    generator.manual_seed(step_seed(seed, step, rank))  # 2 us; torch.manual_seed takes 0.4 ms


def take(trainer: Trainer) -> Snapshot:
    """Copy the state of a training, between two steps."""
    status, history = trainer.status, trainer.history
    tensors, numbers = _optimizer_state(trainer)
    leaves = trainer.ranks.gather(status.leaves())
    for place, leaf in enumerate(leaves or ()):
        tensors[f"carried.{place}"] = leaf.detach().clone()
    tensors["losses"] = torch.tensor(history.losses, dtype=torch.float64)
    best = status.best
    values = {
        "step": status.step,
        "epoch": status.epoch,
        "batch": status.batch,
        "meter": status.meter.totals(),
        "epoch_began": asdict(status.epoch_began),
        "best": None if best is None else {"step": best.step, "loss": best.loss},
        "waited": status.waited,
        "evaluated": status.evaluated,
        "evaluations": list(history.evaluations),
        "epochs": [row for row in history.epochs if row["epoch"] < status.epoch],
        "carried": None if leaves is None else len(leaves),
        "optimizer": numbers,
        "callbacks": [
            [name_of(type(callback)), state()]
            for callback in trainer.callbacks
            if callable(state := getattr(callback, "state", None)) and hasattr(callback, "restore")
        ],
    }
    weights = {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}
    copied = json.loads(json.dumps(values))  # what is not JSON fails now, not when it is saved
    return Snapshot(weights, tensors, copied, None if best is None else best.weights)


class _Finite(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Best(_Finite):
    step: int = Field(ge=0)
    loss: float


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    step: int = Field(ge=0)
    loss: float


class _Totals(_Finite):
    steps: int = Field(ge=0)
    tokens: int = Field(ge=0)
    loss_sum: float
    spent_s: float = Field(ge=0)
    training_s: float = Field(ge=0)
    recent: list[tuple[float, int]]


class Values(_Finite):
    """The declared shape of the values of a snapshot."""

    step: int = Field(ge=0, lt=2**53)
    epoch: int = Field(ge=0, lt=2**53)
    batch: int = Field(ge=0, lt=2**53)
    meter: _Totals
    epoch_began: Reading
    best: _Best | None
    waited: int = Field(ge=0)
    evaluated: int = Field(ge=0)
    evaluations: list[_Row]
    epochs: list[_Row]
    carried: int | None
    optimizer: dict[str, dict[str, Any]]
    callbacks: list[tuple[str, dict[str, Any]]]


def restore(
    trainer: Trainer, start: Snapshot, *, batches: int | None = None, rows: int | None = None
) -> None:
    """Put a snapshot into a trainer whose model and optimizer are new.

    Args:
        trainer: the trainer.
        start: a snapshot of another trainer.
        batches: batches of an epoch, if that is known.
        rows: rows of the carried state, if that is known.
    Raises:
        ContractError: the snapshot does not fit the model or the optimizer.
    """
    status, history, values = trainer.status, trainer.history, start.values
    losses = start.tensors.get("losses")
    if losses is None or losses.dim() != 1 or losses.dtype != torch.float64 or len(losses) > values["step"]:
        raise ContractError("the snapshot does not have the losses of its steps.")
    if batches is not None and values["batch"] > batches:
        raise ContractError(f"the snapshot is in batch {values['batch']:,} of an epoch of {batches:,}.")
    _require_like(start.weights, trainer.model.state_dict(), "weight")
    trainer.model.load_state_dict(start.weights)
    _restore_optimizer(trainer, start)
    status.carried = _carried(trainer, start, rows)
    status.step, status.epoch, status.batch = values["step"], values["epoch"], values["batch"]
    status.meter.restore(values["meter"])
    status.epoch_began = Reading(**values["epoch_began"])
    status.waited, status.evaluated = values["waited"], values["evaluated"]
    if values["best"] is not None:
        weights = start.best_weights
        if weights is None and values["best"]["step"] == status.step:
            weights = start.weights
        if weights is None:
            raise ContractError(f"the snapshot lacks the weights of step {values['best']['step']}, its best.")
        _require_like(weights, trainer.model.state_dict(), "weight of the best step")
        status.best = Best(values["best"]["step"], values["best"]["loss"], dict(weights))
    history.losses[:] = array("d", losses.tolist())
    history.evaluations[:] = values["evaluations"]
    history.epochs[:] = values["epochs"]


def spread(start: Snapshot | None, ranks: Ranks) -> Snapshot | None:
    """The snapshot of the first process, in all of them."""
    if ranks.world == 1:
        return start
    values, has_best = ranks.broadcast(
        lambda: (None, False) if start is None else (start.values, start.best_weights is not None)
    )
    if values is None:
        return None
    empty: Mapping[str, Tensor] = {}
    given = (
        (empty, empty, empty)
        if start is None
        else (start.weights, start.tensors, start.best_weights or empty)
    )
    weights, tensors, best = (ranks.broadcast_tensors(each) for each in given)
    return Snapshot(weights, tensors, values, best if has_best else None)


def _require_like(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    """Check names, shapes and dtypes.

    Raises:
        ContractError: one differs; the message names it.
    """
    for name in sorted(found.keys() | wanted.keys()):
        given, own = (
            "none" if one is None else f"{tuple(one.shape)} {one.dtype}"
            for one in (found.get(name), wanted.get(name))
        )
        if given != own:
            raise ContractError(f"the snapshot has {given} for the {what} {name}, and the model {own}.")


def name_of(callback: type) -> str:
    """The name that the state of a callback is kept under."""
    return f"{callback.__module__}.{callback.__qualname__}"


def restore_callbacks(
    callbacks: Sequence[object], saved: Sequence[tuple[str, Any]], *, all_of_them: bool = True
) -> None:
    """Give each callback its state back, the first of a class the first that was saved of that class.

    Args:
        callbacks: the callbacks of the training.
        saved: the name and the state of each callback that had one.
        all_of_them: warn of a state that none of them takes.
    """
    left = [(name, state) for name, state in saved]
    for callback in callbacks:
        found = next((each for each in left if each[0] == name_of(type(callback))), None)
        if found is not None and hasattr(callback, "restore"):
            left.remove(found)
            callback.restore(found[1])
    if left and all_of_them:
        logger.warning("the state of a callback is not used: %s", ", ".join(name for name, _ in left))


def _optimizer_state(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """What the optimizer keeps for each weight: tensors by name, and numbers by weight and key."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for parameter, name in _named(trainer):
        for key, value in trainer.optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{name}.{key}"] = value.detach().clone()
            else:
                numbers.setdefault(name, {})[key] = value
    return tensors, numbers


def _restore_optimizer(trainer: Trainer, start: Snapshot) -> None:
    state: dict[int, dict[str, Any]] = {}
    place = {name: index for index, (_, name) in enumerate(_named(trainer))}
    for full_name, value in start.tensors.items():
        if full_name.startswith("optimizer."):
            name, _, key = full_name.removeprefix("optimizer.").rpartition(".")
            state.setdefault(_place_of(name, place), {})[key] = value
    for name, numbers in start.values["optimizer"].items():
        state.setdefault(_place_of(name, place), {}).update(numbers)
    _require_optimizer_state(trainer.optimizer, state)
    # Learning rates and the like are those of the new optimizer: they may have been changed on purpose.
    trainer.optimizer.load_state_dict({**trainer.optimizer.state_dict(), "state": state})


def _require_optimizer_state(optimizer: Optimizer, state: Mapping[int, Mapping[str, Any]]) -> None:
    """Check that values of an optimizer have the names, shapes and dtypes that it gives them in a step.

    An optimizer would read past the end of a tensor that is too small.

    Raises:
        ContractError: one differs.
    """
    groups = [
        {**group, "params": [each.detach().clone().requires_grad_() for each in group["params"]]}
        for group in optimizer.param_groups
    ]
    try:
        accepted = inspect.signature(type(optimizer)).parameters
        like = type(optimizer)(
            groups, **{key: value for key, value in optimizer.defaults.items() if key in accepted}
        )
    except TypeError:
        return  # a third-party optimizer, whose constructor has other arguments
    parameters = [each for group in like.param_groups for each in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    like.step()
    for index, values in state.items():
        own = like.state.get(parameters[index], {})
        given, wanted = (
            {key: value for key, value in one.items() if isinstance(value, Tensor)} for one in (values, own)
        )
        _require_like(given, wanted, "optimizer's value")
        others = {key for key in values if key not in given}, {key for key in own if key not in wanted}
        if others[0] != others[1]:
            raise ContractError(f"the snapshot has the optimizer's values {others[0]}, not {others[1]}.")


def _place_of(name: str, places: Mapping[str, int]) -> int:
    if name not in places:
        raise ContractError(f"the snapshot has an optimizer state for {name!r}, which is not being trained.")
    return places[name]


def _named(trainer: Trainer) -> list[tuple[Tensor, str]]:
    """The parameters of the optimizer, in its order, with their names in the model."""
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    parameters = [each for group in trainer.optimizer.param_groups for each in group["params"]]
    return [(each, names.get(id(each), f"other_{index}")) for index, each in enumerate(parameters)]


def _carried(trainer: Trainer, start: Snapshot, rows: int | None) -> State:
    """The carried state, with the structure of the cell's initial state."""
    count = start.values["carried"]
    if count is None:
        return None
    cell = getattr(trainer.model, "cell", None)
    if cell is None:
        raise ContractError(
            f"{type(trainer.model).__name__} has no cell, so the structure of its carried state is unknown."
        )
    structure = pytree.tree_structure(cell.initial_state(1))
    if structure.num_leaves != count:
        raise ContractError(
            f"the snapshot has a state of {count} tensors, and the cell has one of {structure.num_leaves}."
        )
    names = [f"carried.{place}" for place in range(count)]
    saved = {name: value for name, value in start.tensors.items() if name.startswith("carried.")}
    if rows is None:
        rows = len(next(iter(saved.values()), ())) if all(value.dim() for value in saved.values()) else 0
    own = pytree.tree_leaves(cell.initial_state(rows))
    _require_like(saved, dict(zip(names, own, strict=True)), "carried state")
    mine = trainer.ranks.share(rows)
    return pytree.tree_unflatten([saved[name][mine].to(trainer.device) for name in names], structure)
