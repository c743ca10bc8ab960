"""What a training run leaves in memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any, Final

from seqkit.training.meter import RECENT_STEPS
from seqkit.training.state import Best, TrainingState

FEWEST_STEPS: Final = 10
"""Of one batch alone, chance may have made the loss high."""


@dataclass
class History:
    """What happened, in order.

    Args:
        state: what training has in the end.
    """

    state: TrainingState = field(default_factory=TrainingState, repr=False)
    losses: array[float] = field(default_factory=lambda: array("d"))
    """Of every step: the mean loss over the counted positions of its batch."""
    epochs: list[dict[str, Any]] = field(default_factory=list)
    """One an epoch, the last perhaps unfinished: `epoch, step, loss, tokens, tokens_per_s`."""
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    """One an evaluation: `epoch, step, loss, tokens`."""

    @property
    def best(self) -> Best | None:
        """The weights with the lowest validation loss; None where there was no validation data."""
        return self.state.best

    @property
    def ended_by(self) -> str:
        """What ended it: `"2,000 steps"`, say, or the patience."""
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
        """The loss of the first step and the mean of the last ones, where training made it worse; else None.

        Worse is when each of the last steps, 10 to 50 of them, is a tenth above the first one, which is that
        of the fresh weights.
        """
        last = self.losses[-min(RECENT_STEPS, len(self.losses) // 2) :]
        if len(self.losses) < 2 * FEWEST_STEPS or min(last) <= self.losses[0] + 0.1 * abs(self.losses[0]):
            return None
        return self.losses[0], sum(last) / len(last)
