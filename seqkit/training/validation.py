"""When to evaluate, which weights were best, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from seqkit.data.batches import Batch
from seqkit.errors import NonFiniteError
from seqkit.training.state import Best, TrainingState


class Validation:
    """Follows the validation loss.

    Args:
        data: read completely at every evaluation; None for no evaluation.
        every: steps between evaluations; None for the end of each epoch.
        patience: evaluations in a row without a new lowest loss after which training stops.
        state: state of the training, in which the results are kept.
    """

    def __init__(
        self,
        data: Iterable[Batch | tuple[Tensor, Tensor]] | None,
        every: int | None,
        patience: int | None,
        state: TrainingState,
    ) -> None:
        self.data = data
        self._every, self._patience, self._state = every, patience, state

    def due(self, *, at_epoch_end: bool = False, at_end: bool = False) -> bool:
        """Whether to evaluate after the last step."""
        step = self._state.step
        if self.data is None or step == self._state.evaluated:
            return False
        return at_end or (at_epoch_end if self._every is None else step % self._every == 0)

    def record(self, metrics: Mapping[str, Any], model: nn.Module) -> None:
        """Record an evaluation; the weights are copied if it is the best so far.

        Raises:
            NonFiniteError: the loss is not finite; the best weights do not change.
        """
        state = self._state
        if not math.isfinite(metrics["loss"]):
            kept = (
                f"the best weights, of step {state.best.step}, are kept"
                if state.best
                else "no weights are kept"
            )
            raise NonFiniteError(
                f"the validation loss is {metrics['loss']} at step {state.step}; training stopped, "
                f"and {kept}.\n  Try a lower learning rate, or a lower clip_norm."
            )
        state.evaluated = state.step
        if state.best is not None and metrics["loss"] >= state.best.loss:
            state.waited += 1
            return
        state.waited = 0
        weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        state.best = Best(state.step, metrics["loss"], weights)

    @property
    def ended_by(self) -> str:
        """Why training should stop, or an empty string."""
        waited = self._state.waited
        if self._patience is None or waited < self._patience:
            return ""
        return f"patience: {waited} evaluations without a lower validation loss"
