"""What a training run leaves in memory."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from seqkit.training.validation import Best

RECENT_STEPS: Final = 50
"""Over these the loss on the screen is the mean."""
FEWEST_STEPS: Final = 10
"""Of one batch alone, chance may have made the loss high."""


@dataclass
class History:
    """What happened, in order."""

    losses: array[float] = field(default_factory=lambda: array("d"))
    """Of every step: the mean loss over the counted positions of its batch."""
    epochs: list[dict[str, Any]] = field(default_factory=list)
    """One an epoch, the last perhaps unfinished: `epoch, step, loss, tokens, tokens_per_s`."""
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    """One an evaluation: `epoch, step, loss, tokens`."""
    best: Best | None = None
    """The weights with the lowest validation loss; None where there was no validation data."""
    ended_by: str = ""
    """What ended it: `"2,000 steps"`, say, or the patience."""
    tokens: int = 0
    """Counted positions that were trained on."""
    training_s: float = 0.0
    """Seconds that training took, without evaluation."""

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


@dataclass(frozen=True)
class Reading:
    """What a meter shows at a moment."""

    steps: int = 0
    tokens: int = 0
    nats: float = 0.0
    seconds: float = 0.0


class Meter:
    """Steps, tokens, loss and time of a training; the time that evaluation takes does not count.

    Every figure of a training's speed is a difference of two readings of its one meter.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._steps, self._tokens, self._nats = 0, 0, 0.0
        self._began, self._paused_s = clock(), 0.0
        self._paused_at: float | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT_STEPS)

    def add(self, loss: float, tokens: int) -> None:
        """Count a step."""
        self._steps += 1
        self._tokens += tokens
        self._nats += loss * tokens
        self._recent.append((loss * tokens, tokens))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside takes no time."""
        self._paused_at = self._clock()
        try:
            yield
        finally:
            self._paused_s += self._clock() - self._paused_at
            self._paused_at = None

    def read(self) -> Reading:
        """The totals up to now."""
        now = self._clock() if self._paused_at is None else self._paused_at
        seconds = now - self._began - self._paused_s
        return Reading(self._steps, self._tokens, self._nats, seconds)

    def since(self, before: Reading) -> dict[str, float]:
        """The mean loss per counted position since a reading, how many there were, and how many a second."""
        now = self.read()
        tokens = now.tokens - before.tokens
        return {
            "loss": (now.nats - before.nats) / max(tokens, 1),
            "tokens": tokens,
            "tokens_per_s": tokens / max(now.seconds - before.seconds, 1e-9),
        }

    @property
    def recent_loss(self) -> float:
        """The mean loss per counted position of the last 50 steps."""
        return sum(nats for nats, _ in self._recent) / max(sum(tokens for _, tokens in self._recent), 1)
