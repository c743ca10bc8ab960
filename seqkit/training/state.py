"""What training has at a moment: all of it, in one object, so that it can be saved and gone on with.

TrainingState
  step, epoch, batch      where it is: updates, passes over the data, batches of this pass
  meter                   seconds spent, seconds of training alone, tokens, loss
  epoch_began             the meter at the start of this pass
  carried                 the state of the cells after the last batch
  base_rates              the learning rates that the schedule scales
  best, waited, evaluated what the validation has found
  ended_by                why it is over, once it is
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from seqkit.cells.base import State
from seqkit.training.meter import Meter, Reading


@dataclass(frozen=True)
class Best:
    """The weights with the lowest validation loss, and where they were."""

    step: int
    loss: float
    weights: Mapping[str, Tensor]


@dataclass
class TrainingState:
    """What a trainer needs to go on."""

    step: int = 0
    """Updates of the weights."""
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that were taken."""
    meter: Meter = field(default_factory=Meter)
    epoch_began: Reading = field(default_factory=Reading)
    carried: State = None
    base_rates: list[float] = field(default_factory=list)
    """Of each group of parameters; the position of the schedule follows from step and budget."""
    best: Best | None = None
    waited: int = 0
    """Evaluations in a row without a new lowest loss."""
    evaluated: int = 0
    """The step of the last evaluation."""
    ended_by: str = ""
    """What ended training: `"2,000 steps"`, say, or the patience; empty while it goes on."""
