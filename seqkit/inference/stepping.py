"""Run a trained model one token at a time."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from seqkit.cells import Stacked, State
from seqkit.encoders import OneHot
from seqkit.engine import make_stepper
from seqkit.model import SequenceModel


class Stepper:
    """Runs the model one time step at a time, with the same outputs but faster: it reads the weights once.

    Use it in evaluation mode, without gradients, and only while the weights do not change.

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
