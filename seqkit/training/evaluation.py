"""Running a model over batches, in training and in evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from seqkit.cells.base import State, state_rows
from seqkit.data.batches import Batch
from seqkit.errors import BudgetError, ContractError
from seqkit.model import SequenceModel, device_of, evaluating
from seqkit.training.intervals import LossSlices
from seqkit.training.losses import batch_loss, position_losses
from seqkit.training.meter import mean_loss
from seqkit.training.ranks import ALONE, Ranks
from seqkit.training.signals import Interrupted

Data: TypeAlias = Iterable[Batch | tuple[Tensor, Tensor]]
"""Batches that can be read again from the start: `Windows`, `Lanes`, a DataLoader, a list."""

Policy: TypeAlias = Literal["reset", "carry"]
Precision: TypeAlias = Literal["float32", "bfloat16"]


def evaluate(
    model: SequenceModel,
    data: Data,
    *,
    loss_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
    state: Policy = "reset",
    precision: Precision = "float32",
    slices: LossSlices | None = None,
    ranks: Ranks = ALONE,
    stop: Callable[[], int] = lambda: 0,
) -> dict[str, Any]:
    """The mean loss over all counted positions of the data, and the data's own metrics of it.

    The model's mode, the state of training and the random stream are not changed.

    Args:
        model, data, loss_fn, state, precision: see `Trainer`.
        slices: collect the loss of the model's head at every position, for an interval.
        ranks: the processes that evaluate together, each its share; data that cannot be shared is read whole
            by each.
        stop: the number of a signal that this process has received, else 0; it ends the evaluation in all.
    Returns:
        `loss` in nats (or the loss function's unit), `tokens`, and the data's own `metrics(loss)`.
    Raises:
        BudgetError: the data is empty.
        Interrupted: one of several processes has received a signal.
    """
    device = device_of(model)
    is_shared = ranks.world > 1 and hasattr(data, "share")
    own: Data = data.share(ranks) if is_shared else data  # type: ignore[attr-defined]  # just looked at
    sums: list[Tensor] = []  # read at the end: each read waits for a GPU
    count = 0
    with evaluating(model.modules()), torch.no_grad(), _random_stream_kept(device):
        carried: State = None
        for item in own:
            if heard := ranks.sum(stop=stop())[1]:
                raise Interrupted(heard)
            batch = to_device(item, device)
            outputs, carried = run_model(model, batch, carried, state, precision)
            if slices is None:
                total, tokens = batch_loss(model, loss_fn, outputs, batch)
                sums.append(total)
            else:
                losses, counted = position_losses(model, outputs, batch)
                losses = losses.cpu()
                slices.add(losses, counted)
                tokens = int(counted.sum())
                sums.append(losses.sum(dtype=torch.float64))
            count += tokens
    summed = math.fsum(value.item() for value in sums)
    if is_shared:
        (summed, counted_by_all), _ = ranks.sum(summed, count)
        count = int(counted_by_all)
    elif ranks.world > 1:  # each has read all of it: the figure is the first one's
        ((summed,), _) = ranks.sum(summed if ranks.first else 0.0)
    if not count:
        raise BudgetError("there is nothing to evaluate: the data is empty.")
    loss = mean_loss(summed, count)
    return with_units(data, {"loss": loss, "tokens": count})


def run_model(
    model: SequenceModel, batch: Batch, carried: State, policy: Policy, precision: Precision
) -> tuple[Tensor, State]:
    """The outputs of a batch and the state after it; `carried` is used if the policy is `"carry"`.

    Raises:
        ContractError: the carried state has another batch size.
    """
    if policy == "reset":
        carried = None
    elif carried is not None and (rows := state_rows(carried)) not in (None, len(batch.inputs)):
        raise ContractError(
            f"a carried state needs batches of the same size; got {rows} rows, then {len(batch.inputs)}.\n"
            "  With a DataLoader, set drop_last=True."
        )
    with autocast(batch.inputs.device, precision):
        result: tuple[Tensor, State] = model(batch.inputs, carried, batch.reset)
    return result


def to_device(item: Batch | tuple[Tensor, Tensor], device: torch.device) -> Batch:
    """Move a batch, or a plain pair, to the device as a `Batch`; its mask is not moved.

    Raises:
        ContractError: the item is neither.
    """
    if not isinstance(item, Sequence) or not 2 <= len(item) <= len(Batch._fields):
        raise ContractError(
            f"the data yields {type(item).__name__}; the trainer takes Batch, or pairs (inputs, targets)."
        )
    batch = Batch(*item)
    moved = {
        name: part.to(device, non_blocking=True)
        for name in ("inputs", "targets", "reset")
        if (part := getattr(batch, name)) is not None
    }
    return batch._replace(**moved)


def with_units(data: Data, metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics, with the data's own metrics of their mean loss."""
    return {**metrics, **data.metrics(metrics["loss"])} if hasattr(data, "metrics") else metrics


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The context of a forward pass in that precision."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)


@contextmanager
def _random_stream_kept(device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng([] if device.type == "cpu" else [device]):
        yield
