"""Cells of the engine's benchmark, each a plain step as a user would write it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from seqkit.cells import RNN, Cell

Pair = tuple[Tensor, Tensor]


class _Gated(Cell):
    """Input and recurrent projection to so many gates."""

    def __init__(self, input_size: int, hidden_size: int, gates: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, gates * hidden_size, bias=False)
        self.h2h = nn.Linear(hidden_size, gates * hidden_size)


class GRU(_Gated):
    """Cho et al. (2014), with the reset gate after the recurrent product, as in torch."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 3)

    def step(self, x: Tensor, h: Tensor) -> Pair:
        """One time step."""
        x_r, x_z, x_n = self.i2h(x).chunk(3, dim=1)
        h_r, h_z, h_n = self.h2h(h).chunk(3, dim=1)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
        h = (1 - z) * n + z * h
        return h, h


class LSTM(_Gated):
    """Hochreiter and Schmidhuber (1997), with a forget gate."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 4)

    def initial_state(self, batch_size: int) -> Pair:
        """Zeros, twice."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def gates(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """Input, forget, cell and output gate before their activation."""
        return tuple((self.i2h(x) + self.h2h(h)).chunk(4, dim=1))

    def step(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        """One time step."""
        h, c = state
        i, f, g, o = self.gates(x, h, c)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class LayerNormLSTM(LSTM):
    """Ba et al. (2016), with the gates normalised."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.norm_x, self.norm_h = nn.LayerNorm(4 * hidden_size), nn.LayerNorm(4 * hidden_size)

    def gates(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """The same, normalised."""
        return tuple((self.norm_x(self.i2h(x)) + self.norm_h(self.h2h(h))).chunk(4, dim=1))


class PeepholeLSTM(LSTM):
    """Gers and Schmidhuber (2000): input and forget gate see the memory."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.peep_i = nn.Parameter(torch.zeros(hidden_size))
        self.peep_f = nn.Parameter(torch.zeros(hidden_size))

    def gates(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """The same, with the memory."""
        i, f, g, o = super().gates(x, h, c)
        return i + self.peep_i * c, f + self.peep_f * c, g, o


class MultiplicativeRNN(_Gated):
    """Sutskever et al. (2011): the input scales the recurrent product."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 1)
        self.factor_x = nn.Linear(input_size, hidden_size, bias=False)
        self.factor_h = nn.Linear(hidden_size, hidden_size, bias=False)

    def step(self, x: Tensor, h: Tensor) -> Pair:
        """One time step."""
        h = torch.tanh(self.i2h(x) + self.h2h(self.factor_x(x) * self.factor_h(h)))
        return h, h


CELLS: dict[str, tuple[Callable[[int, int], Cell], Callable[[int, int], nn.Module] | None, int]] = {
    "rnn": (RNN, nn.RNN, 1),
    "gru": (GRU, nn.GRU, 3),
    "lstm": (LSTM, nn.LSTM, 4),
    "lnlstm": (LayerNormLSTM, None, 4),
    "peephole": (PeepholeLSTM, None, 4),
    "mrnn": (MultiplicativeRNN, None, 2),
}
"""Each cell, torch's own layer of it, and how many `(hidden, hidden)` products a step has."""
