"""What a training run leaves in memory."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from seqkit.training.validation import Best


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
    training_s: float = 0.0
    """Seconds that training took, without evaluation."""


class Meter:
    """The mean loss and the speed of an epoch; the time that evaluation takes does not count."""

    def __init__(self) -> None:
        self.steps = 0
        self.tokens = 0
        self._nats = 0.0
        self._began = time.perf_counter()
        self._paused_s = 0.0

    def add(self, loss: float, tokens: int) -> None:
        """Count a step."""
        self.steps += 1
        self._nats += loss * tokens
        self.tokens += tokens

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside takes no time."""
        began = time.perf_counter()
        yield
        self._paused_s += time.perf_counter() - began

    @property
    def elapsed_s(self) -> float:
        """Seconds of training."""
        return time.perf_counter() - self._began - self._paused_s

    def summary(self) -> dict[str, float]:
        """The mean loss per counted position, how many there were, and how many a second."""
        return {
            "loss": self._nats / max(self.tokens, 1),
            "tokens": self.tokens,
            "tokens_per_s": self.tokens / max(self.elapsed_s, 1e-9),
        }
