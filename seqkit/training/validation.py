"""When to evaluate, which weights were best, and when to give up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from seqkit.data.batches import Batch
from seqkit.errors import NonFiniteError


@dataclass(frozen=True)
class Best:
    """The weights with the lowest validation loss, and where they were."""

    step: int
    loss: float
    weights: Mapping[str, Tensor]


class Validation:
    """Follows the validation loss.

    Args:
        data: read whole at every evaluation; None for none.
        every: steps between evaluations; None for the end of each epoch.
        patience: evaluations in a row without a new lowest loss after which training stops.
    """

    def __init__(
        self, data: Iterable[Batch | tuple[Tensor, Tensor]] | None, every: int | None, patience: int | None
    ) -> None:
        self.data = data
        self.best: Best | None = None
        self._every, self._patience = every, patience
        self._last_step = 0
        self._waited = 0

    def due(self, step: int, *, at_epoch_end: bool = False, at_end: bool = False) -> bool:
        """Whether to evaluate after this step."""
        if self.data is None or step == self._last_step:
            return False
        return at_end or (at_epoch_end if self._every is None else step % self._every == 0)

    def record(self, step: int, metrics: Mapping[str, Any], model: nn.Module) -> None:
        """Take note of an evaluation; the weights are copied where it is the best so far.

        Raises:
            NonFiniteError: the loss is not finite; the best weights stay those of before.
        """
        if not math.isfinite(metrics["loss"]):
            kept = (
                f"the best weights, of step {self.best.step}, are kept"
                if self.best
                else "no weights are kept"
            )
            raise NonFiniteError(
                f"the validation loss is {metrics['loss']} at step {step}; training stopped, and {kept}.\n"
                "  Try a lower learning rate, or a lower clip_norm."
            )
        self._last_step = step
        if self.best is not None and metrics["loss"] >= self.best.loss:
            self._waited += 1
            return
        self._waited = 0
        weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.best = Best(step, metrics["loss"], weights)

    @property
    def ended_by(self) -> str:
        """Why training should stop, or an empty string."""
        if self._patience is None or self._waited < self._patience:
            return ""
        return f"patience: {self._waited} evaluations without a lower validation loss"
