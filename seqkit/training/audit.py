"""Comparison, at certain steps of a training, of its gradients with those of the plain loop."""

from __future__ import annotations

import torch

from seqkit.cells.base import State
from seqkit.data.batches import Batch
from seqkit.errors import AuditError
from seqkit.model import SequenceModel
from seqkit.training.evaluation import Precision, autocast

_FIRST = (10, 100, 1_000)
_EVERY = 10_000


def is_audited(step: int) -> bool:
    """Whether the gradients of this step, counted from 1, are compared: 10, 100, 1,000, then every 10,000."""
    return step in _FIRST or (step > 0 and step % _EVERY == 0)


def audit(model: SequenceModel, batch: Batch, state: State, precision: Precision, step: int) -> None:
    """Raise AuditError if the gradients of the engine that ran differ from the loop's.

    Args:
        model: the model, which is not changed.
        batch: the batch of this step.
        state: any state that this training has reached, such as the one after the batch.
        precision: see `Trainer`.
        step: number of the step, whose update follows.
    """
    device = batch.inputs.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []), autocast(device, precision):
        difference = model.audit(batch.inputs, state)
    if difference is not None:
        what, _, place = difference.partition("\n")
        raise AuditError(
            f"{what} (engine {model.engine_ran!r}, found before the update of step {step})."
            + (f"\n{place}" if place else "")
            + f"\n  The weights of step {step - 1} are kept. Train this cell with the plain loop: "
            "model.engine=loop (engine='loop' in Python)."
        )
