"""LSTMs as plain steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqkit.plugin import Cell

LSTMState = tuple[Tensor, Tensor]
"""Hidden state and memory, each `(batch, hidden_size)`."""


class LSTM(Cell):
    """Long short-term memory.

        i, f, g, o = i2h(x) + h2h(h)                 the gates, in torch's order
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    Args:
        input_size: number of features of the input at each step.
        hidden_size: number of units.
        forget_bias: initial bias of the forget gate.

    Source: Hochreiter and Schmidhuber (1997); the forget gate of Gers, Schmidhuber and Cummins (2000).
    """

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, 4 * hidden_size, bias=False)
        self.h2h = nn.Linear(hidden_size, 4 * hidden_size)
        with torch.no_grad():
            self.h2h.bias[hidden_size : 2 * hidden_size] = forget_bias

    def initial_state(self, batch_size: int) -> LSTMState:
        """Zeros, twice."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Advance one time step; the output is the hidden state."""
        hidden, memory = state
        i, f, g, o = (self.i2h(x) + self.h2h(hidden)).chunk(4, dim=1)
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(memory)
        return hidden, (hidden, memory)

    @torch.no_grad()
    def copy_from_torch(self, lstm: nn.LSTM | nn.LSTMCell) -> None:
        """Copy the weights of one layer of torch; its two biases are added."""
        layer = "_l0" if isinstance(lstm, nn.LSTM) else ""
        self.i2h.weight.copy_(getattr(lstm, f"weight_ih{layer}"))
        self.h2h.weight.copy_(getattr(lstm, f"weight_hh{layer}"))
        self.h2h.bias.copy_(getattr(lstm, f"bias_ih{layer}") + getattr(lstm, f"bias_hh{layer}"))


class LayerNormLSTM(Cell):
    """The LSTM with its gates and its memory normalised.

        i, f, g, o = norm(i2h(x)) + norm(h2h(h)) + bias
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(norm(c'))

    Args:
        input_size, hidden_size, forget_bias: see `LSTM`.

    Source: Ba, Kiros and Hinton (2016), "Layer normalization", equations 20 to 22.
    """

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, 4 * hidden_size, bias=False)
        self.h2h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.input_norm = nn.LayerNorm(4 * hidden_size, bias=False)
        self.hidden_norm = nn.LayerNorm(4 * hidden_size)  # its bias is the bias of the gates
        self.memory_norm = nn.LayerNorm(hidden_size)
        with torch.no_grad():
            self.hidden_norm.bias[hidden_size : 2 * hidden_size] = forget_bias

    def initial_state(self, batch_size: int) -> LSTMState:
        """Zeros, twice."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Advance one time step; the output is the hidden state."""
        hidden, memory = state
        gates = self.input_norm(self.i2h(x)) + self.hidden_norm(self.h2h(hidden))
        i, f, g, o = gates.chunk(4, dim=1)
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(self.memory_norm(memory))
        return hidden, (hidden, memory)
