"""Steps, tokens, loss and seconds of a training; its speeds are differences of two readings."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

RECENT_STEPS: Final = 50
"""Over these the loss on the screen is the mean."""


def mean_loss(total: float, count: int) -> float:
    """The mean of losses that are kept as (sum, count); 0 of none. Nothing else divides one by the other."""
    return total / count if count else 0.0


@dataclass(frozen=True)
class Reading:
    """What a meter shows at a moment."""

    steps: int = 0
    tokens: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    """Of training, without evaluation."""


class Meter:
    """Counts what a training takes, in totals that can be saved: between two looks a clock is read.

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
        """Add the time since the last look; gives the seconds spent."""
        now = self._clock()
        passed, self._looked_at = now - self._looked_at, now
        self.spent_s += passed
        if not self._is_paused:
            self.training_s += passed
        return self.spent_s

    def add(self, loss_sum: float, tokens: int) -> None:
        """Count a step.

        Args:
            loss_sum: over its counted positions.
            tokens: how many they are.
        """
        self.steps += 1
        self.tokens += tokens
        self.loss_sum += loss_sum
        self._recent.append((loss_sum, tokens))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside takes no time of training."""
        self.look()
        self._is_paused = True
        try:
            yield
        finally:
            self.look()
            self._is_paused = False

    def read(self) -> Reading:
        """The totals up to now."""
        self.look()
        return Reading(self.steps, self.tokens, self.loss_sum, self.training_s)

    def since(self, before: Reading) -> dict[str, float]:
        """The mean loss per counted position since a reading, how many there were, and how many a second."""
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
