"""Steps, tokens, loss and seconds of a training; a speed is computed from two readings."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

RECENT_STEPS: Final = 50
"""Number of steps over which the loss on the screen is the mean."""


def mean_loss(total: float, count: int) -> float:
    """The mean of losses kept as (sum, count); 0 if there are none. The only place where they are divided."""
    return total / count if count else 0.0


@dataclass(frozen=True)
class Reading:
    """The totals of a meter at one moment."""

    steps: int = 0
    tokens: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    """Seconds of training, without evaluation."""


class Meter:
    """Counts the steps, tokens, loss and seconds of a training, in totals that can be saved.

    The clock is read at each `look`, and the time since the last one is added.

    Attributes:
        spent_s: seconds up to the last look, evaluation included.
        training_s: the same without evaluation.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._looked_at = clock()
        self._is_paused = False
        self.steps, self.tokens, self.loss_sum = 0, 0, 0.0
        self.spent_s = self.training_s = 0.0
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT_STEPS)

    def look(self) -> float:
        """Add the time since the last look; return the seconds spent."""
        now = self._clock()
        passed, self._looked_at = now - self._looked_at, now
        self.spent_s += passed
        if not self._is_paused:
            self.training_s += passed
        return self.spent_s

    def add(self, loss_sum: float, tokens: int) -> None:
        """Count a step.

        Args:
            loss_sum: sum of the loss over its counted positions.
            tokens: number of these positions.
        """
        self.steps += 1
        self.tokens += tokens
        self.loss_sum += loss_sum
        self._recent.append((loss_sum, tokens))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The time inside the block does not count as training."""
        self.look()
        self._is_paused = True
        try:
            yield
        finally:
            self.look()
            self._is_paused = False

    def totals(self) -> dict[str, Any]:
        """All that is counted, as JSON values, for `restore`."""
        self.look()
        names = ("steps", "tokens", "loss_sum", "spent_s", "training_s")
        return {**{name: getattr(self, name) for name in names}, "recent": list(self._recent)}

    def restore(self, totals: Mapping[str, Any]) -> None:
        """Continue from `totals`; the time in between is not counted."""
        self._looked_at = self._clock()
        for name in ("steps", "tokens", "loss_sum", "spent_s", "training_s"):
            setattr(self, name, totals[name])
        self._recent.clear()
        self._recent.extend((float(loss), int(tokens)) for loss, tokens in totals["recent"])

    def read(self) -> Reading:
        """The totals up to now."""
        self.look()
        return Reading(self.steps, self.tokens, self.loss_sum, self.training_s)

    def since(self, before: Reading) -> dict[str, float]:
        """Since a reading: the mean loss per counted position, their number, and their number per second."""
        now = self.read()
        tokens = now.tokens - before.tokens
        return {
            "loss": mean_loss(now.loss_sum - before.loss_sum, tokens),
            "tokens": tokens,
            "tokens_per_s": tokens / max(now.seconds - before.seconds, 1e-9),
        }

    @property
    def recent_loss(self) -> float:
        """The mean loss per counted position of the last 50 steps."""
        return mean_loss(sum(loss for loss, _ in self._recent), sum(tokens for _, tokens in self._recent))
