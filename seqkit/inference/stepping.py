"""A trained model, one token at a time."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from seqkit.cells import Stacked, State
from seqkit.encoders import OneHot
from seqkit.engine import make_stepper
from seqkit.model import SequenceModel


class Stepper:
    """Gives what the model gives for one time step after the other, faster: it reads the weights once.

    To be used in evaluation mode, without gradients, for as long as the weights stay as they are.

    Args:
        model: encoder, cell and head.
        state: the state before the first step.
    """

    def __init__(self, model: SequenceModel, state: State) -> None:
        self._encoder, self._head = model.encoder, model.head
        cell = model.cell
        self._layers = (
            [*zip(cell.cells, state, strict=True)] if isinstance(cell, Stacked) else [(cell, state)]
        )
        self._steps: list[Callable[[Tensor], Tensor]] = []

    def __call__(self, ids: Tensor) -> Tensor:
        """Read ids `(batch,)`, or features `(batch, features)`: outputs `(batch, output_size)`."""
        x = ids if isinstance(self._encoder, OneHot) else self._encoder(ids[:, None])[:, 0]
        for layer, (cell, state) in enumerate(self._layers):
            if layer == len(self._steps):
                self._steps.append(make_stepper(cell, x, state))
            x = self._steps[layer](x)
        outputs: Tensor = self._head(x)
        return outputs
