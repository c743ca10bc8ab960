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

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree  # torch has no public one; its own engines use this

from seqkit.cells.base import State
from seqkit.errors import ContractError
from seqkit.training.meter import Reading
from seqkit.training.state import Best

if TYPE_CHECKING:
    from seqkit.training.trainer import Trainer


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


def seed_step(seed: int, step: int, device: torch.device) -> None:
    """Set torch's generator of the device for one step."""
    generator = torch.default_generator
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generator = torch.cuda.default_generators[index]
    generator.manual_seed(step_seed(seed, step))  # 2 us; torch.manual_seed takes 0.4 ms


def take(trainer: Trainer) -> Snapshot:
    """Copy the state of a training, between two steps."""
    status, history = trainer.status, trainer.history
    tensors, numbers = _optimizer_state(trainer)
    leaves = None if status.carried is None else pytree.tree_leaves(status.carried)
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
            [type(callback).__name__, state()]
            for callback in trainer.callbacks
            if callable(state := getattr(callback, "state", None)) and hasattr(callback, "restore")
        ],
    }
    weights = {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}
    copied = json.loads(json.dumps(values))  # what is not JSON fails now, not when it is saved
    return Snapshot(weights, tensors, copied, None if best is None else best.weights)


def restore(trainer: Trainer, start: Snapshot) -> None:
    """Put a snapshot into a trainer whose model and optimizer are new.

    Raises:
        ContractError: the snapshot does not fit the model or the optimizer.
    """
    status, history, values = trainer.status, trainer.history, start.values
    trainer.model.load_state_dict(start.weights)
    _restore_optimizer(trainer, start)
    status.carried = _carried(trainer, start)
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
        status.best = Best(values["best"]["step"], values["best"]["loss"], dict(weights))
    history.losses[:] = array("d", start.tensors["losses"].tolist())
    history.evaluations[:] = values["evaluations"]
    history.epochs[:] = values["epochs"]


def restore_callbacks(callbacks: Sequence[object], saved: Sequence[tuple[str, Any]]) -> None:
    """Give each callback its state back, the first of a class the first that was saved of that class."""
    left = [(name, state) for name, state in saved]
    for callback in callbacks:
        found = next((each for each in left if each[0] == type(callback).__name__), None)
        if found is not None and hasattr(callback, "restore"):
            left.remove(found)
            callback.restore(found[1])


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
    # Learning rates and the like are those of the new optimizer: they may have been changed on purpose.
    trainer.optimizer.load_state_dict({**trainer.optimizer.state_dict(), "state": state})


def _place_of(name: str, places: Mapping[str, int]) -> int:
    if name not in places:
        raise ContractError(f"the snapshot has an optimizer state for {name!r}, which is not being trained.")
    return places[name]


def _named(trainer: Trainer) -> list[tuple[Tensor, str]]:
    """The parameters of the optimizer, in its order, with their names in the model."""
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    parameters = [each for group in trainer.optimizer.param_groups for each in group["params"]]
    return [(each, names.get(id(each), f"other_{index}")) for index, each in enumerate(parameters)]


def _carried(trainer: Trainer, start: Snapshot) -> State:
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
    leaves = [start.tensors[f"carried.{place}"].to(trainer.device) for place in range(count)]
    return pytree.tree_unflatten(leaves, structure)
