"""The GRU as a plain step, with both positions of the reset gate."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit.plugin import Cell


class GRU(Cell):
    """Gated recurrent unit.

        r = sigmoid(i2h_r(x) + h2h_r(h))             reset
        z = sigmoid(i2h_z(x) + h2h_z(h))             update
        n = tanh(i2h_n(x) + r * h2h_n(h))            reset = "after": after the recurrent matrix
        n = tanh(i2h_n(x) + h2h_n(r * h))            reset = "before": before it
        h' = (1 - z) * n + z * h

    Args:
        input_size: number of features of the input at each step.
        hidden_size: number of units.
        reset: `"after"` is the GRU of cuDNN and torch, with one matrix product per step; `"before"` is the
            published GRU, with two.

    Source: Cho et al. (2014), with z and 1 - z placed as in torch.
    """

    def __init__(
        self, input_size: int, hidden_size: int, reset: Literal["after", "before"] = "after"
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.reset = reset
        self.i2h = nn.Linear(input_size, 3 * hidden_size)
        self.h2h = nn.Linear(hidden_size, 3 * hidden_size)

    def step(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one time step; the output is the hidden state `(batch, hidden_size)`."""
        x_r, x_z, x_n = self.i2h(x).chunk(3, dim=1)
        if self.reset == "after":
            h_r, h_z, h_n = self.h2h(hidden).chunk(3, dim=1)
            n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
        else:
            cut = 2 * self.hidden_size
            gates = F.linear(hidden, self.h2h.weight[:cut], self.h2h.bias[:cut])
            h_r, h_z = gates.chunk(2, dim=1)
            reset = torch.sigmoid(x_r + h_r) * hidden
            n = torch.tanh(x_n + F.linear(reset, self.h2h.weight[cut:], self.h2h.bias[cut:]))
        z = torch.sigmoid(x_z + h_z)
        hidden = (1 - z) * n + z * hidden
        return hidden, hidden

    @torch.no_grad()
    def copy_from_torch(self, gru: nn.GRU | nn.GRUCell) -> None:
        """Copy the weights of one layer of torch; with `reset="after"` the outputs are equal."""
        layer = "_l0" if isinstance(gru, nn.GRU) else ""
        for ours, theirs in ((self.i2h, "ih"), (self.h2h, "hh")):
            ours.weight.copy_(getattr(gru, f"weight_{theirs}{layer}"))
            ours.bias.copy_(getattr(gru, f"bias_{theirs}{layer}"))
