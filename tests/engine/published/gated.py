"""Published cells that gate a vector: when to update, at what pace, and how many times an input."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from seqkit import Cell


class SkipState(NamedTuple):
    """Hidden state, memory, and the accumulated update probability, `(batch, 1)`."""

    h: Tensor
    c: Tensor
    update: Tensor


class SkipRNN(Cell):
    """An LSTM that copies its state if a binary gate is closed.

    Source: Campos et al. (2018), "Skip RNN: learning to skip state updates", equations 2 to 5; the
    gradient of the rounding is 1 (straight-through).
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.lstm, self.increment = nn.LSTMCell(input_size, hidden_size), nn.Linear(hidden_size, 1)
        nn.init.constant_(self.increment.bias, -1.0)  # then the gate closes now and then

    def initial_state(self, batch_size: int) -> SkipState:
        h, c = self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)
        return SkipState(h, c, self.zeros(batch_size, 1) + 1)

    def step(self, x: Tensor, state: SkipState) -> tuple[Tensor, SkipState]:
        gathered = state.update
        gate = gathered + (torch.round(gathered) - gathered).detach()
        h, c = self.lstm(x, (state.h, state.c))
        h, c = gate * h + (1 - gate) * state.h, gate * c + (1 - gate) * state.c
        more = torch.sigmoid(self.increment(h))
        gathered = gate * more + (1 - gate) * (gathered + torch.minimum(more, 1 - gathered))
        return h, SkipState(h, c, gathered)


class OrderedNeurons(Cell):
    """ON-LSTM: master gates that are cumulative sums of a softmax order the memory by its pace.

    Source: Shen et al. (2019), "Ordered neurons", equations 9 to 14.
    """

    def __init__(self, input_size: int, hidden_size: int, chunk: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.levels, self.chunk = hidden_size // chunk, chunk
        gates = 4 * hidden_size + 2 * self.levels
        self.i2h, self.h2h = nn.Linear(input_size, gates), nn.Linear(hidden_size, gates)

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.levels, self.chunk)

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        masters, gates = (self.i2h(x) + self.h2h(h)).tensor_split([2 * self.levels], dim=1)
        forget, write = masters.view(-1, 2, self.levels).softmax(2).cumsum(2)[..., None].unbind(1)
        write = 1 - write
        both = forget * write
        f, i, o, new = gates.view(-1, 4, self.levels, self.chunk).unbind(1)
        f, i = f.sigmoid() * both + (forget - both), i.sigmoid() * both + (write - both)
        c = f * c + i * new.tanh()
        h = (o.sigmoid() * c.tanh()).view(len(x), self.hidden_size)
        return h, (h, c)


class PhasedLSTM(Cell):
    """An LSTM whose units open at a rhythm of their own: a learned period and shift.

    Source: Neil et al. (2016), "Phased LSTM", equations 6 to 11.
    """

    def __init__(self, input_size: int, hidden_size: int, ratio: float = 0.4, leak: float = 0.01) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.ratio, self.leak = ratio, leak
        self.lstm = nn.LSTMCell(input_size, hidden_size)
        self.log_period = nn.Parameter(torch.rand(hidden_size) * 2)
        self.shift = nn.Parameter(torch.rand(hidden_size))

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        time = torch.zeros(batch_size, 1, dtype=torch.int64, device=self.shift.device)
        hidden, memory = self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)
        return {"hidden": hidden, "memory": memory, "time": time}

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        period = self.log_period.exp()
        phase = torch.remainder(state["time"].to(x.dtype) - self.shift, period) / period
        rising, falling = 2 * phase / self.ratio, 2 - 2 * phase / self.ratio
        closed = self.leak * phase
        gate = torch.where(phase < self.ratio / 2, rising, torch.where(phase < self.ratio, falling, closed))
        hidden, memory = self.lstm(x, (state["hidden"], state["memory"]))
        memory = torch.lerp(state["memory"], memory, gate)
        hidden = torch.lerp(state["hidden"], hidden, gate)
        return hidden, {"hidden": hidden, "memory": memory, "time": state["time"] + 1}


class RecurrentHighway(Cell):
    """Several highway layers per input, with the carry gate `1 - t`.

    Source: Zilly et al. (2017), "Recurrent highway networks", equations 6 to 9.
    """

    def __init__(self, input_size: int, hidden_size: int, depth: int = 3) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.layers = nn.ModuleList(nn.Linear(hidden_size, 2 * hidden_size) for _ in range(depth))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        for depth, layer in enumerate(self.layers):
            both = layer(state) + self.i2h(x) if depth == 0 else layer(state)
            candidate, transform = both.chunk(2, 1)
            transform = transform.sigmoid()
            state = candidate.tanh() * transform + state * (1 - transform)
        return state, state


class ClockworkRNN(Cell):
    """Groups of units that are updated every 1, 2, 4 and 8 steps; slow ones are read by fast ones.

    Source: Koutnik et al. (2014), "A clockwork RNN", section 3, equations 1 and 2.
    """

    def __init__(self, input_size: int, hidden_size: int, groups: int = 4) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        group = torch.arange(hidden_size) * groups // hidden_size
        self.register_buffer("periods", 2**group)
        self.register_buffer("slower", (group[:, None] <= group).to(torch.get_default_dtype()))

    def initial_state(self, batch_size: int) -> list[Tensor]:
        count = torch.zeros(batch_size, dtype=torch.int64, device=self.h2h.device)
        return [self.zeros(batch_size, self.hidden_size), count]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        h, count = state
        new = torch.tanh(self.i2h(x) + F.linear(h, self.h2h * self.slower))
        h = torch.where(count[:, None] % self.periods == 0, new, h)
        return h, [h, count + 1]


class TwiceGRU(Cell):
    """One GRU that reads each input twice: deep in its transition, with shared weights.

    Source: Cho et al. (2014), "Learning phrase representations", equations 5 to 8, as the transition of
    Pascanu et al. (2014), "How to construct deep recurrent neural networks", section 3.3.2.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.gru = nn.GRUCell(input_size, hidden_size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = self.gru(x, self.gru(x, state))
        return state, state


class DropConnect(nn.Module):
    """A weight with some of its elements zeroed."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, weight: Tensor) -> Tensor:
        return F.dropout(weight, self.p, self.training)


class WeightDroppedLSTM(Cell):
    """An LSTM with dropout on the recurrent matrix, drawn once per sequence, and normalised input weights.

    Source: Merity et al. (2018), "Regularizing and optimizing LSTM language models", section 2; Salimans
    and Kingma (2016), "Weight normalization", equation 2.
    """

    def __init__(self, input_size: int, hidden_size: int, p: float = 0.3) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = parametrizations.weight_norm(nn.Linear(input_size, 4 * hidden_size))
        self.h2h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        parametrize.register_parametrization(self.h2h, "weight", DropConnect(p))

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        i, f, g, o = (self.i2h(x) + self.h2h(h)).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return h, (h, c)
