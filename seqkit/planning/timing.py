"""How long a step, an evaluation and a whole training take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from seqkit.data import Lanes, Windows
from seqkit.planning.figures import Expected, Speed
from seqkit.recipe import TrainConfig
from seqkit.tasks.base import Batches
from seqkit.training import Trainer
from seqkit.training.budget import limit_name

WARM_UP_STEPS = 2
TIMED_STEPS = 5
TIMED_S = 3.0
EVALUATION_BATCHES = 5
EVALUATION_S = 1.0
NO_LIMIT = 1 << 60


class Stopwatch:
    """A callback of the trainer that times its steps, and ends the training when it has enough of them."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._times: list[float] = []
        self._tokens: list[int] = []

    def run_started(self, trainer: Trainer) -> None:
        """Start the clock."""
        self._began = self._clock()

    def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, Any]) -> None:
        """Record the time of a step."""
        now = self._clock()
        self._times.append(now - self._began)
        self._tokens.append(metrics["tokens"])
        self._began = now
        timed = self._times[WARM_UP_STEPS:]
        if len(timed) >= TIMED_STEPS and sum(timed) >= TIMED_S:
            trainer.status.ended_by = "the plan"

    def speed(self, first_steps_s: float, evaluation_s: float | None) -> Speed:
        """Time of the steps after the warm-up, and the extra time of the very first steps."""
        timed = self._times[WARM_UP_STEPS:]
        step_s = sum(timed) / len(timed)
        return Speed(
            timed_steps=len(timed),
            step_ms=1000 * step_s,
            tokens_per_s=sum(self._tokens[WARM_UP_STEPS:]) / sum(timed),
            preparation_s=max(0.0, first_steps_s - WARM_UP_STEPS * step_s),
            evaluation_s=evaluation_s,
        )


def time_first_steps(trainer: Trainer, batches: Windows | Lanes) -> float:
    """Seconds for the first steps, which trace or compile the cell."""
    began = time.perf_counter()
    trainer.fit(batches, steps=WARM_UP_STEPS)
    return time.perf_counter() - began


def run_a_few_steps(trainer: Trainer, batches: Windows | Lanes, validation: Batches | None) -> None:
    """Train until the stopwatch ends it, then evaluate and keep the best weights, as a run does."""
    few = None if validation is None else list(islice(validation, 2))
    trainer.fit(batches, steps=NO_LIMIT, validation=few, evaluate_every=NO_LIMIT)


def time_evaluation(trainer: Trainer, validation: Batches | None) -> float | None:
    """Seconds for the whole split, estimated from a part of it; None if there is no such split."""
    if validation is None:
        return None
    total = len(validation)
    count = min(EVALUATION_BATCHES, total)
    seconds = _evaluate(trainer, validation, count)
    if seconds < EVALUATION_S and count < total:
        count = min(total, math.ceil(count * EVALUATION_S / seconds))
        seconds = _evaluate(trainer, validation, count)
    return seconds * total / count


def _evaluate(trainer: Trainer, validation: Batches, count: int) -> float:
    began = time.perf_counter()
    trainer.evaluate(islice(validation, count))
    return time.perf_counter() - began


def expect(train: TrainConfig, steps_per_epoch: int, speed: Speed) -> Expected:
    """Steps and seconds that the budget of a recipe allows; patience may end training earlier."""
    step_s = speed.step_ms / 1000
    evaluation_s = speed.evaluation_s or 0.0
    every = train.evaluate_every or steps_per_epoch
    limits: dict[str, int] = {}
    if train.steps is not None:
        limits[limit_name(train.steps, "steps")] = train.steps
    if train.epochs is not None:
        # A fraction of an epoch, such as 0.1 of 30 steps, is not exactly a whole number in binary.
        limits[limit_name(train.epochs, "epochs")] = math.ceil(train.epochs * steps_per_epoch - 1e-9)
    if train.minutes is not None:
        left = 60 * train.minutes - speed.preparation_s
        limits[limit_name(train.minutes, "minutes")] = max(
            1, math.ceil(left / (step_s + evaluation_s / every))
        )
    ended_by = min(limits, key=lambda name: limits[name])
    steps = max(1, limits[ended_by])
    evaluations = 0 if speed.evaluation_s is None else math.ceil(steps / every)
    return Expected(
        ended_by=ended_by,
        patience=train.patience is not None,
        steps=steps,
        epochs=steps / steps_per_epoch,
        evaluations=evaluations,
        preparation_s=speed.preparation_s,
        training_s=steps * step_s,
        evaluation_s=evaluations * evaluation_s,
        total_s=speed.preparation_s + steps * step_s + evaluations * evaluation_s,
    )
