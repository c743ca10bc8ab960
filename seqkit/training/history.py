"""The record of a training, in memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any, Final

from seqkit.training.meter import RECENT_STEPS
from seqkit.training.state import Best, TrainingState

FEWEST_STEPS: Final = 10
"""Steps to compare, at least: the loss of a single batch may be high by chance."""


@dataclass
class History:
    """The losses, epochs and evaluations of a training, in order.

    Args:
        state: the state of the training at its end.
    """

    state: TrainingState = field(default_factory=TrainingState, repr=False)
    losses: array[float] = field(default_factory=lambda: array("d"))
    """Loss of every step: the mean over the counted positions of its batch."""
    epochs: list[dict[str, Any]] = field(default_factory=list)
    """One row per epoch, the last perhaps unfinished: `epoch, step, loss, tokens, tokens_per_s`."""
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    """One row per evaluation: `epoch, step, loss, tokens`."""

    @property
    def best(self) -> Best | None:
        """The weights with the lowest validation loss; None if there was no validation data."""
        return self.state.best

    @property
    def ended_by(self) -> str:
        """What ended the training, such as `"2,000 steps"`, or the patience."""
        return self.state.ended_by

    @property
    def tokens(self) -> int:
        """Counted positions that were trained on."""
        return self.state.meter.tokens

    @property
    def training_s(self) -> float:
        """Seconds that training took, without evaluation."""
        return self.state.meter.training_s

    @property
    def ended_higher(self) -> tuple[float, float] | None:
        """The loss of the first step and the mean of the last ones, if training made it worse; else None.

        It is worse if the loss of each of the last 10 to 50 steps is a tenth above that of the first step,
        which has the initial weights.
        """
        last = self.losses[-min(RECENT_STEPS, len(self.losses) // 2) :]
        if len(self.losses) < 2 * FEWEST_STEPS or min(last) <= self.losses[0] + 0.1 * abs(self.losses[0]):
            return None
        return self.losses[0], sum(last) / len(last)
