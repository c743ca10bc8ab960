"""Cells whose gates depend on the input only, so that a step is linear in the state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit.plugin import Cell, linear_scan


class MinGRU(Cell):
    """The minimal GRU.

        z, v = i2h(x)
        h' = (1 - sigmoid(z)) * h + sigmoid(z) * positive(v)

    Args:
        input_size: number of features of the input at each step.
        hidden_size: number of units.

    Source: Feng et al. (2024), "Were RNNs all we needed?", in the form of its log-space scan, with a
    positive candidate.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, 2 * hidden_size)

    def step(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one time step; the output is the hidden state `(batch, hidden_size)`."""
        gate, candidate = self.i2h(x).chunk(2, dim=1)
        z = torch.sigmoid(gate)
        hidden = (1 - z) * hidden + z * positive(candidate)
        return hidden, hidden

    def scan(self, x: Tensor, state: Tensor, reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All steps at once: the states `(batch, time, hidden_size)`, and the last one."""
        gate, candidate = self.i2h(x).chunk(2, dim=2)
        return linear_scan(F.logsigmoid(-gate), torch.sigmoid(gate) * positive(candidate), state, reset)


class MinLSTM(Cell):
    """The minimal LSTM; its two gates are scaled to sum to one.

        f, i, v = i2h(x)
        h' = (sigmoid(f) * h + sigmoid(i) * positive(v)) / (sigmoid(f) + sigmoid(i))

    Args:
        input_size: number of features of the input at each step.
        hidden_size: number of units.

    Source: Feng et al. (2024), "Were RNNs all we needed?", as `MinGRU`.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, 3 * hidden_size)

    def step(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one time step; the output is the hidden state `(batch, hidden_size)`."""
        forget, write, candidate = self.i2h(x).chunk(3, dim=1)
        f, i = torch.sigmoid(forget), torch.sigmoid(write)
        hidden = (f * hidden + i * positive(candidate)) / (f + i)
        return hidden, hidden

    def scan(self, x: Tensor, state: Tensor, reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All steps at once: the states `(batch, time, hidden_size)`, and the last one."""
        forget, write, candidate = self.i2h(x).chunk(3, dim=2)
        odds = F.logsigmoid(forget) - F.logsigmoid(write)  # the logarithm of f / i
        values = torch.sigmoid(-odds) * positive(candidate)
        return linear_scan(F.logsigmoid(odds), values, state, reset)


def positive(x: Tensor) -> Tensor:
    """x + 0.5 if x is not negative, else sigmoid(x): continuous, and greater than zero."""
    return torch.where(x >= 0, x + 0.5, torch.sigmoid(x))
