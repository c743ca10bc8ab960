"""The cells of xLSTM: exponential gates, and a running maximum that keeps them finite."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit import Cell


class ScalarState(NamedTuple):
    """Memory, normaliser, hidden state and stabiliser, each `(batch, hidden_size)`."""

    c: Tensor
    n: Tensor
    h: Tensor
    m: Tensor


class SLSTM(Cell):
    """sLSTM with heads that read only themselves; before the first step m = -inf.

    Source: Beck et al. (2024), "xLSTM", equations 8 to 17.
    """

    def __init__(self, input_size: int, hidden_size: int, heads: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.heads, self.width = heads, hidden_size // heads
        self.i2h = nn.Linear(input_size, 4 * hidden_size)
        self.h2h = nn.Parameter(torch.randn(heads, 4, self.width, self.width) / self.width**0.5)
        self.norm = nn.GroupNorm(heads, hidden_size)

    def initial_state(self, batch_size: int) -> ScalarState:
        c, n, h, m = (self.zeros(batch_size, self.hidden_size) for _ in range(4))
        return ScalarState(c, n, h, m - torch.inf)

    def step(self, x: Tensor, state: ScalarState) -> tuple[Tensor, ScalarState]:
        c, n, h, m = state
        heads = h.view(-1, self.heads, self.width)
        recurrent = torch.einsum("bhd,hged->bghe", heads, self.h2h).reshape(len(x), -1)
        z, i, f, o = (self.i2h(x) + recurrent).chunk(4, 1)
        f = F.logsigmoid(f)
        highest = torch.maximum(f + m, i)
        i, f = torch.exp(i - highest), torch.exp(f + m - highest)
        c, n = f * c + i * z.tanh(), f * n + i
        h = o.sigmoid() * (c / n)
        return self.norm(h), ScalarState(c, n, h, highest)


class MLSTM(Cell):
    """mLSTM: a matrix that maps keys to values; no recurrence but that of the memory.

    Source: Beck et al. (2024), "xLSTM", equations 19 to 27, stabilised as in its appendix A.2.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.query_key_value = nn.Linear(input_size, 3 * hidden_size)
        self.gates, self.output_gate = nn.Linear(input_size, 2), nn.Linear(input_size, hidden_size)

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        return {
            "matrix": self.zeros(batch_size, self.hidden_size, self.hidden_size),
            "normaliser": self.zeros(batch_size, self.hidden_size),
            "stabiliser": self.zeros(batch_size, 1).fill_(-torch.inf),
        }

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        query, key, value = self.query_key_value(x).chunk(3, 1)
        key = key / self.hidden_size**0.5
        i, f = self.gates(x).chunk(2, 1)  # one per row
        f = F.logsigmoid(f) + state["stabiliser"]
        m = torch.maximum(f, i)
        i, f = torch.exp(i - m), torch.exp(f - m)
        matrix = f[..., None] * state["matrix"] + i[..., None] * (value[:, :, None] * key[:, None])
        normaliser = f * state["normaliser"] + i * key
        read = torch.matmul(matrix, query[:, :, None]).squeeze(2)
        weight = (normaliser * query).sum(1, keepdim=True).abs()
        h = torch.sigmoid(self.output_gate(x)) * read / torch.maximum(weight, torch.exp(-m))
        return h, {"matrix": matrix, "normaliser": normaliser, "stabiliser": m}


class SLSTMBlock(Cell):
    """A residual block around an sLSTM, whose last projection starts at zero; the stream is kept.

    Source: Beck et al. (2024), "xLSTM", figure 10, with the last projection started at zero as in
    Zhang et al. (2019), "Fixup initialization", section 3.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.encode, self.norm = nn.Linear(input_size, hidden_size), nn.LayerNorm(hidden_size)
        self.cell = SLSTM(hidden_size, hidden_size)
        self.project = nn.Linear(hidden_size, hidden_size)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ScalarState]:
        return self.zeros(batch_size, self.hidden_size), self.cell.initial_state(batch_size)

    def step(self, x: Tensor, state: tuple[Tensor, ScalarState]) -> tuple[Tensor, tuple[Tensor, ScalarState]]:
        before, inner = state
        stream = self.encode(x) + 0.5 * before
        h, inner = self.cell(self.norm(stream), inner)
        stream = torch.tanh(stream + self.project(h))
        return stream, (stream, inner)
