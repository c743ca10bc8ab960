"""The contract of a head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class Head(nn.Module, ABC):
    """The last part of a model. `output_size` is the last dimension of what `forward` returns."""

    output_size: int
    passes_on = False
    """Whether the cell's output is itself the prediction, so that no dropout is applied to it."""

    @abstractmethod
    def forward(self, hidden: Tensor) -> Tensor:
        """The prediction for each hidden vector, `(..., hidden)` to `(..., output_size)`: logits, or
        the parameters of a distribution."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each prediction, `(N, output_size), (N, ...) -> (N,)`, in nats or the target's unit."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """The likeliest id, or the location of a number's distribution, `(..., output_size) -> (...)`."""

    @abstractmethod
    def sample(
        self, outputs: Tensor, generator: torch.Generator | None = None, *args: Any, **options: Any
    ) -> Tensor:
        """Draw the next target for each prediction, `(..., output_size) -> (...)`."""


def full_precision(outputs: Tensor) -> Tensor:
    """Convert half precision to float32, which a loss needs; return other dtypes unchanged."""
    return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
