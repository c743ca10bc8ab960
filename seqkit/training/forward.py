"""The forward pass of a step with its loss, as one module, so that its gradients can be averaged."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree  # torch has no public one; its own engines use this

from seqkit.cells.base import State, detach_state
from seqkit.data.batches import Batch
from seqkit.model import SequenceModel
from seqkit.training.evaluation import Policy, Precision, run_model
from seqkit.training.losses import batch_loss
from seqkit.training.ranks import Ranks
from seqkit.training.step import differentiate

logger = logging.getLogger(__name__)


class ForwardPass(nn.Module):
    """The model and its loss; for the arguments see `Trainer`."""

    def __init__(
        self,
        model: SequenceModel,
        loss_fn: Callable[[Tensor, Tensor], Tensor] | None,
        policy: Policy,
        precision: Precision,
    ) -> None:
        super().__init__()
        self.model, self.loss_fn = model, loss_fn
        self._policy, self._precision = policy, precision

    def forward(self, batch: Batch, carried: State) -> tuple[Tensor, int, State]:
        """The sum of the loss over the counted positions, their number, and the state after the batch."""
        outputs, state = run_model(self.model, batch, carried, self._policy, self._precision)
        total, tokens = batch_loss(self.model, self.loss_fn, outputs, batch)
        return total, tokens, detach_state(state)


def averaged(forward: ForwardPass, batch: Batch, carried: State, ranks: Ranks) -> nn.Module:
    """The forward pass, whose gradients are averaged over the processes.

    The buffers become those of the first process; random streams are left as they are, gradients are cleared.

    Args:
        forward: the forward pass of this process.
        batch, carried: the first batch, and the state before it.
        ranks: the processes.
    """
    from seqkit.engine.plan.auditing import buffers_kept  # imports PyTorch's tracer

    _take_buffers_of_first(forward, ranks)
    device = batch.inputs.device
    with torch.random.fork_rng([] if device.type == "cpu" else [device]), buffers_kept(forward):
        unused = _without_gradient(forward, batch)
        (count,), _ = ranks.sum(len(unused))
        if unused and ranks.first:
            logger.warning("these weights have no part in the loss: %s", ", ".join(unused))
        with ranks.averaging():
            wrapped = ranks.wrap(forward, bool(count) or _learns_its_beginning(forward.model))
            # DistributedDataParallel chooses the order of its sums after the first backward pass: without
            # this one, a resumed training would add in another order than one that was never interrupted.
            differentiate(wrapped(batch, carried)[0] * 0)
    forward.zero_grad()
    return wrapped


def _take_buffers_of_first(module: nn.Module, ranks: Ranks) -> None:
    """Give every process the buffers of the first: a constructor may have drawn them."""
    own = dict(module.named_buffers())
    found = ranks.broadcast_tensors(own)
    with torch.no_grad():
        for name, buffer in own.items():
            buffer.copy_(found[name])


def _without_gradient(forward: ForwardPass, batch: Batch) -> list[str]:
    """The trained weights that get no gradient in a batch from the initial state."""
    forward.zero_grad()
    differentiate(forward(batch, None)[0] * 0)
    return [
        name.removeprefix("model.")
        for name, parameter in forward.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]


def _learns_its_beginning(model: nn.Module) -> bool:
    """Whether the initial state has weights: they get a gradient only in batches that begin a row."""
    cell = getattr(model, "cell", None)
    leaves = [] if cell is None else pytree.tree_leaves(cell.initial_state(1))
    return any(leaf.requires_grad for leaf in leaves)
