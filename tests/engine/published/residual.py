"""Published building blocks in a recurrence: gates that start at zero, norms, convolutions, flows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit import Cell


class ReZero(Cell):
    """A maxout branch behind a gate that starts at zero; from the zero state both its sides are equal.

    Source: Bachlechner et al. (2021), "ReZero is all you need", equation 4; Goodfellow et al. (2013),
    "Maxout networks", section 2.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.left, self.right = (nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(2))
        self.gate = nn.Parameter(torch.zeros(()))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        branch = torch.maximum(self.left(state), self.right(state))
        state = torch.tanh(self.i2h(x) + self.h2h(state)) + self.gate * branch
        return state, state


class ConvolutionalGRU(Cell):
    """A GRU whose state is a ring of features with channels, and whose matrices are convolutions over it.

    Source: Ballas et al. (2016), "Delving deeper into convolutional networks", equations 7 to 10, in one
    dimension and closed to a ring.
    """

    def __init__(self, input_size: int, hidden_size: int, channels: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.channels, self.places = channels, hidden_size // channels
        self.i2h = nn.Linear(input_size, 3 * hidden_size)

        def ring(outputs: int) -> nn.Conv1d:
            return nn.Conv1d(channels, outputs, 3, padding=1, padding_mode="circular")

        self.gates, self.candidate = ring(2 * channels), ring(channels)

    def initial_state(self, batch_size: int) -> tuple[Tensor]:
        return (self.zeros(batch_size, self.channels, self.places),)

    def step(self, x: Tensor, state: tuple[Tensor]) -> tuple[Tensor, tuple[Tensor]]:
        (h,) = state
        read = self.i2h(x).unflatten(1, (3 * self.channels, self.places))
        gates = read[:, : 2 * self.channels] + self.gates(h)
        update, reset = gates.sigmoid().chunk(2, 1)
        new = torch.tanh(read[:, 2 * self.channels :] + self.candidate(reset * h))
        h = (1 - update) * h + update * new
        return h.flatten(1), (h,)


class TwoNorms(Cell):
    """A pre-norm block that norms one value twice, once for its gate and once for its content.

    Source: Zhang and Sennrich (2019), "Root mean square layer normalization", equation 4; Dauphin et al.
    (2017), "Language modeling with gated convolutional networks", equation 1, for the gate.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.for_gate, self.for_content = (nn.RMSNorm(hidden_size) for _ in range(2))
        self.gate, self.content = (nn.Linear(hidden_size, hidden_size) for _ in range(2))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        stream = self.i2h(x) + 0.7 * state
        gate = torch.sigmoid(self.gate(self.for_gate(stream)))
        state = 0.5 * stream + gate * self.content(self.for_content(stream))
        return state, state


class ClosedFormContinuous(Cell):
    """CfC: interpolates two candidates by the time since the last input, which is the first feature.

    Source: Hasani et al. (2022), "Closed-form continuous-time neural networks", equation 10.
    """

    def __init__(self, input_size: int, hidden_size: int, width: int = 6) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.backbone = nn.Sequential(nn.Linear(input_size + hidden_size, width), nn.SiLU())
        self.first, self.second, self.pace = (nn.Linear(width, hidden_size) for _ in range(3))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        read = self.backbone(torch.cat([x, state], 1))
        elapsed = F.softplus(x[:, :1])
        share = torch.sigmoid(-self.pace(read) * elapsed)
        state = share * torch.tanh(self.first(read)) + (1 - share) * torch.tanh(self.second(read))
        return state, state
