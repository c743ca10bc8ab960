"""The whole state of a training, in one object, so that it can be saved and continued.

TrainingState
  step, epoch, batch      progress: updates, passes over the data, batches of this pass
  meter                   seconds spent, seconds of training alone, tokens, loss
  epoch_began             the meter at the start of this pass
  carried                 the state of the cells after the last batch
  base_rates              the learning rates that the schedule scales
  best, waited, evaluated results of the validation
  ended_by                why training ended, once it has
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor
from torch.utils import _pytree as pytree  # torch has no public one; its own engines use this

from seqkit.cells.base import State
from seqkit.training.meter import Meter, Reading


@dataclass(frozen=True)
class Best:
    """The weights with the lowest validation loss, with their step and their loss."""

    step: int
    loss: float
    weights: Mapping[str, Tensor]


@dataclass
class TrainingState:
    """Everything that a trainer needs to continue."""

    step: int = 0
    """Updates of the weights."""
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that were trained on."""
    meter: Meter = field(default_factory=Meter)
    epoch_began: Reading = field(default_factory=Reading)
    carried: State = None
    base_rates: list[float] = field(default_factory=list)
    """Base learning rate of each parameter group; step and budget give the position of the schedule."""
    best: Best | None = None
    waited: int = 0
    """Evaluations in a row without a new lowest loss."""
    evaluated: int = 0
    """The step of the last evaluation."""
    ended_by: str = ""
    """What ended training, such as `"2,000 steps"`, or the patience; empty while it continues."""

    def leaves(self) -> list[Tensor] | None:
        """The tensors of the carried state, in order; None if there is none."""
        return None if self.carried is None else list(pytree.tree_leaves(self.carried))
