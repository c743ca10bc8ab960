"""The loss of a batch over its counted positions, as a sum and a count."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from seqkit.data.batches import Batch
from seqkit.errors import ContractError
from seqkit.heads import full_precision
from seqkit.model import SequenceModel


def batch_loss(
    model: SequenceModel,
    loss_fn: Callable[[Tensor, Tensor], Tensor] | None,
    outputs: Tensor,
    batch: Batch,
) -> tuple[Tensor, int]:
    """The sum of the loss over the counted positions, and their number.

    As two values they can be added up over batches, masked lanes and processes; `mean_of` divides them.

    Args:
        model: the loss of its head is used if there is no `loss_fn`.
        loss_fn: gets `(N, output_size)` and `(N, ...)` and returns their mean.
        outputs: `(batch, time, output_size)`.
        batch: targets, and the mask of the positions that count.
    Raises:
        ContractError: the targets have another batch size or length.
    """
    flat_outputs, flat_targets = _counted(outputs, batch)
    if not len(flat_targets):  # zero gradients if no position counts, also for the weights of the loss
        of_loss = loss_fn.parameters() if isinstance(loss_fn, nn.Module) else ()
        weights = [*model.head.parameters(), *of_loss]
        return sum((each.sum() for each in weights), flat_outputs.sum()) * 0, 0
    if loss_fn is not None:
        mean = loss_fn(full_precision(flat_outputs), flat_targets)
        return mean * len(flat_targets), len(flat_targets)
    return model.head.loss(flat_outputs, flat_targets).sum(), len(flat_targets)


def mean_of(total: Tensor, count: int) -> Tensor:
    """The mean of summed losses; 0 if there are none, not 0 / 0."""
    return total / max(count, 1)


def position_losses(model: SequenceModel, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """The loss of the model's head at every position, and which positions count: both `(batch, time)`.

    The loss of a position that does not count is 0.
    """
    flat_outputs, flat_targets = _counted(outputs, batch)
    losses = model.head.loss(flat_outputs, flat_targets)
    if batch.mask is None:
        counted = torch.ones(outputs.shape[:2], dtype=torch.bool)
        return losses.view(counted.t().shape).t(), counted
    spread = losses.new_zeros(outputs.shape[0] * outputs.shape[1])
    spread[_positions(batch.mask).to(losses.device)] = losses
    return spread.view(batch.mask.t().shape).t(), batch.mask


def _counted(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Outputs and targets of the positions that count, flattened."""
    if outputs.shape[:2] != batch.targets.shape[:2]:
        raise ContractError(
            f"a prediction has {tuple(outputs.shape[:2])} positions (batch, time), "
            f"but the targets have {tuple(batch.targets.shape[:2])}."
        )
    mask = batch.mask
    if mask is not None and (mask.dtype != torch.bool or mask.shape != batch.targets.shape[:2]):
        raise ContractError(
            f"the mask should be bool {tuple(batch.targets.shape[:2])}, one for each target; it is "
            f"{mask.dtype} {tuple(mask.shape)}."
        )
    # The outputs are time-major in memory, so flattening them in that order copies nothing.
    flat_outputs = outputs.transpose(0, 1).flatten(0, 1)  # (T * B, V)
    flat_targets = batch.targets.transpose(0, 1).flatten(0, 1)
    if batch.mask is not None:
        positions = _positions(batch.mask).to(outputs.device, non_blocking=True)
        flat_outputs, flat_targets = flat_outputs[positions], flat_targets[positions]
    return flat_outputs, flat_targets


def _positions(mask: Tensor) -> Tensor:
    """Indices where the mask, flattened time-major, is true. It is on the CPU: no waiting for a GPU."""
    return mask.transpose(0, 1).flatten().nonzero()[:, 0]
