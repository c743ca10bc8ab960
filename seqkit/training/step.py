"""One step of training: its metrics, and its gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from seqkit.errors import ContractError, NonFiniteError


@dataclass(frozen=True)
class Step:
    """A completed step; its loss and gradient norm may still be on the device."""

    step: int
    epoch: int
    learning_rate: float
    tokens: int
    loss: Tensor
    norm: Tensor

    def metrics(self) -> dict[str, Any]:
        """The metrics that callbacks receive."""
        return {
            "epoch": self.epoch,
            "loss": self.loss.item(),
            "gradient_norm": self.norm.item(),
            "learning_rate": self.learning_rate,
            "tokens": self.tokens,
        }

    @property
    def is_finite(self) -> bool:
        """Whether the loss and the norm of the gradient are finite."""
        return math.isfinite(self.loss.item()) and math.isfinite(self.norm.item())

    def require_finite(self, clip_norm: float) -> None:
        """Raise NonFiniteError if the loss or the norm of the gradient is not finite."""
        if self.is_finite:
            return
        loss, norm = self.loss.item(), self.norm.item()
        what = f"the gradient norm is {norm}" if math.isfinite(loss) else f"the loss is {loss}"
        raise NonFiniteError(
            f"{what} at step {self.step}; training stopped before the weights were changed.\n"
            f"  Try a lower learning rate (at this step it is {self.learning_rate:g}), a lower clip_norm "
            f"(it is {clip_norm}), or a longer warm-up; in a recipe: train.learning_rate, train.clip_norm, "
            "train.warmup_steps."
        )


def differentiate(loss: Tensor) -> None:
    """Add the gradients of the loss to those of the parameters.

    Raises:
        ContractError: a tensor that they need was overwritten, or belongs to an earlier batch.
    """
    try:
        loss.backward()  # type: ignore[no-untyped-call]  # torch has not typed it
    except RuntimeError as error:
        if "backward through the graph a second time" in str(error):
            raise ContractError(
                "the gradients of this batch flow back into an earlier one: a step must not keep a tensor on "
                "its cell (self.h = h).\n  Return it as a part of the state; `seqkit check` checks a cell "
                "against its contract."
            ) from error
        if "inplace operation" not in str(error):
            raise
        raise ContractError(
            "a tensor that the gradients need was modified in place: a step must not change its input or "
            "state.\n  Write `h = h + x` instead of `h += x`; `seqkit check` checks a cell against its "
            "contract."
        ) from error
