"""How long training lasts: steps, epochs or minutes, whichever limit is reached first."""

from __future__ import annotations

from collections.abc import Callable

from seqkit.errors import BudgetError
from seqkit.training.state import TrainingState


class Budget:
    """The limits of a training, and how much of them is spent.

    Args:
        steps: optimizer steps.
        epochs: passes over the data.
        minutes: minutes, evaluation included.
        steps_per_epoch: None if the length of the data is unknown.
        state: state of the training, which holds what was spent.
        seconds: the seconds spent; by default those of the state's clock.

    Raises:
        BudgetError: none of the three is given, or one is not positive.
    """

    def __init__(
        self,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        minutes: float | None = None,
        steps_per_epoch: int | None = None,
        state: TrainingState | None = None,
        seconds: Callable[[], float] | None = None,
    ) -> None:
        given = {"steps": steps, "epochs": epochs, "minutes": minutes}
        self._limits = {name: limit for name, limit in given.items() if limit is not None}
        if not self._limits:
            raise BudgetError("training needs a budget: give steps, epochs or minutes.")
        for name, limit in self._limits.items():
            if limit <= 0:
                raise BudgetError(f"a budget must be greater than 0, got {name}={limit}.")
        self._steps_per_epoch = steps_per_epoch
        self._state = TrainingState() if state is None else state
        self._seconds = seconds or self._state.meter.look

    @property
    def step(self) -> int:
        """Updates of the weights."""
        return self._state.step

    @property
    def epoch(self) -> int:
        """Passes over the data."""
        return self._state.epoch

    @property
    def elapsed_s(self) -> float:
        """Seconds spent."""
        return self._seconds()

    @property
    def progress(self) -> float:
        """The share of the budget that is spent, from 0 to 1."""
        return min(1.0, max(self._spent(name) / limit for name, limit in self._limits.items()))

    @property
    def ended_by(self) -> str:
        """The limit that was reached, such as `"2,000 steps"`; an empty string before."""
        for name, limit in self._limits.items():
            if self._spent(name) >= limit:
                return limit_name(limit, name)
        return ""

    def _spent(self, name: str) -> float:
        if name == "steps":
            return self.step
        if name == "minutes":
            return self.elapsed_s / 60
        # The progress within an epoch is known only if the length of the data is.
        return self.step / self._steps_per_epoch if self._steps_per_epoch else self.epoch


def limit_name(limit: float, unit: str) -> str:
    """`"2,000 steps"`, `"0.5 epochs"`, `"1 minute"`."""
    number = f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"
