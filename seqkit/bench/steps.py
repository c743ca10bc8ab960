"""Cells for the engine's benchmark, each a plain step as a user would write it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit.cells import RNN, Cell

Pair = tuple[Tensor, Tensor]


class _Gated(Cell):
    """Input and recurrent projection to a given number of gates."""

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


class SLSTM(_Gated):
    """Beck et al. (2024), xLSTM: exponential gates with a normaliser and a stabiliser."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 4)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros, and minus infinity for the stabiliser."""
        zeros = [self.zeros(batch_size, self.hidden_size) for _ in range(4)]
        return *zeros[:3], zeros[3] - torch.inf

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One time step."""
        h, c, n, m = state
        z, i, f, o = (self.i2h(x) + self.h2h(h)).chunk(4, dim=1)
        kept = F.logsigmoid(f) + m
        m = torch.maximum(kept, i)
        i, f = torch.exp(i - m), torch.exp(kept - m)
        c, n = f * c + i * torch.tanh(z), f * n + i
        h = torch.sigmoid(o) * c / n
        return h, (h, c, n, m)


class MLSTM(Cell):
    """Beck et al. (2024), xLSTM: a matrix memory for each head, written and read by key, value and query."""

    def __init__(self, input_size: int, hidden_size: int, heads: int = 4) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.heads, self.width = heads, hidden_size // heads
        self.qkv = nn.Linear(input_size, 3 * hidden_size)
        self.gates = nn.Linear(input_size, 2 * heads)
        self.out = nn.Linear(input_size, hidden_size)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros, and minus infinity for the stabiliser."""
        memory = self.zeros(batch_size, self.heads, self.width, self.width)
        m = self.zeros(batch_size, self.heads) - torch.inf
        return memory, self.zeros(batch_size, self.heads, self.width), m

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One time step."""
        memory, n, m = state
        q, k, v = (each.unflatten(1, (self.heads, -1)) for each in self.qkv(x).chunk(3, dim=1))
        k = k / self.width**0.5
        i, f = self.gates(x).chunk(2, dim=1)
        kept = F.logsigmoid(f) + m
        m = torch.maximum(kept, i)
        i, f = torch.exp(i - m)[..., None], torch.exp(kept - m)[..., None]
        memory = f[..., None] * memory + (i * v)[..., None] * k[:, :, None]
        n = f * n + i * k
        size = (n * q).sum(2, keepdim=True).abs().clamp_min(1.0)
        h = (memory @ q[..., None])[..., 0] / size
        return torch.sigmoid(self.out(x)) * h.flatten(1), (memory, n, m)


class RWKV(Cell):
    """Peng et al. (2023), RWKV-4: time mixing, with the recurrence in its stable form."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.up = nn.Linear(input_size, hidden_size, bias=False)
        self.mix = nn.Parameter(torch.rand(3, hidden_size))
        self.k, self.v, self.r, self.out = (nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(4))
        self.decay = nn.Parameter(torch.linspace(-5, 3, hidden_size))
        self.bonus = nn.Parameter(torch.zeros(hidden_size))

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros, and minus infinity for the running maximum."""
        zeros = [self.zeros(batch_size, self.hidden_size) for _ in range(4)]
        return *zeros[:3], zeros[3] - torch.inf

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One time step."""
        before, a, b, p = state
        x = self.up(x)
        k, v, r = (
            linear(x * mix + before * (1 - mix))
            for linear, mix in zip((self.k, self.v, self.r), self.mix, strict=True)
        )
        q = torch.maximum(p, self.bonus + k)
        old, new = torch.exp(p - q), torch.exp(self.bonus + k - q)
        y = torch.sigmoid(r) * (old * a + new * v) / (old * b + new)
        p = p - torch.exp(self.decay)
        q = torch.maximum(p, k)
        old, new = torch.exp(p - q), torch.exp(k - q)
        return self.out(y), (x, old * a + new * v, old * b + new, q)


class Attention(Cell):
    """Attention over a window of the last 16 steps, with keys and values in a ring buffer."""

    places: Tensor

    def __init__(self, input_size: int, hidden_size: int, heads: int = 4, window: int = 16) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.heads, self.window = heads, window
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.register_buffer("places", torch.arange(window))

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros for the previous output, keys and values, and the number of steps so far."""
        ring = self.zeros(batch_size, self.heads, self.window, self.hidden_size // self.heads)
        steps = torch.zeros(batch_size, dtype=torch.long, device=ring.device)
        return self.zeros(batch_size, self.hidden_size), ring, ring.clone(), steps

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One time step."""
        h, keys, values, steps = state
        u = torch.tanh(self.i2h(x) + self.h2h(h))
        q, k, v = (each.view(len(x), self.heads, 1, -1) for each in self.qkv(u).chunk(3, dim=1))
        here = (self.places == (steps % self.window)[:, None])[:, None, :, None]
        keys, values = torch.where(here, k, keys), torch.where(here, v, values)
        filled = (self.places <= steps[:, None])[:, None, None, :]
        h = u + F.scaled_dot_product_attention(q, keys, values, attn_mask=filled).reshape(len(x), -1)
        return h, (h, keys, values, steps + 1)


CELLS: dict[str, tuple[Callable[[int, int], Cell], Callable[[int, int], nn.Module] | None, int]] = {
    "rnn": (RNN, nn.RNN, 1),
    "gru": (GRU, nn.GRU, 3),
    "lstm": (LSTM, nn.LSTM, 4),
    "lnlstm": (LayerNormLSTM, None, 4),
    "peephole": (PeepholeLSTM, None, 4),
    "mrnn": (MultiplicativeRNN, None, 2),
    "slstm": (SLSTM, None, 4),
    "mlstm": (MLSTM, None, 4),
    "rwkv": (RWKV, None, 4),
    "attention": (Attention, None, 4),
}
"""Each cell, torch's layer for it, and the number of `(hidden, hidden)` products in a step."""
