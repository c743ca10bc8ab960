"""Published cells with a linear recurrence: state space models, real and complex."""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit import Cell

GriffinState: TypeAlias = tuple[list[Tensor], Tensor]


class LRU(Cell):
    """Linear recurrent unit: a complex diagonal state, from real parameters.

    Source: Orvieto et al. (2023), "Resurrecting recurrent neural networks", equations 4 to 7.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        radius, angle = 0.4 + 0.5 * torch.rand(hidden_size), 2 * math.pi * torch.rand(hidden_size)
        self.log_nu, self.log_theta = nn.Parameter((-radius.log()).log()), nn.Parameter(angle.log())
        self.log_gamma = nn.Parameter(0.5 * torch.log(1 - radius**2))
        self.b = nn.Parameter(torch.randn(2, hidden_size, input_size) / math.sqrt(2 * input_size))
        self.c = nn.Parameter(torch.randn(2, hidden_size, hidden_size) / math.sqrt(hidden_size))
        self.d = nn.Parameter(torch.randn(hidden_size, input_size) / math.sqrt(input_size))

    def initial_state(self, batch_size: int) -> Tensor:
        return torch.complex(
            self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)
        )

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        decay = torch.exp(torch.complex(-self.log_nu.exp(), self.log_theta.exp()))
        b = torch.complex(self.b[0], self.b[1]) * self.log_gamma.exp()[:, None]
        c = torch.complex(self.c[0], self.c[1])
        state = decay * state + x.to(b.dtype) @ b.t()
        return F.gelu((state @ c.t()).real + F.linear(x, self.d)), state


class ComplexLRU(Cell):
    """The same recurrence with parameters that are complex numbers, and a norm of its readout.

    Source: Orvieto et al. (2023), "Resurrecting recurrent neural networks", equations 3 and 4.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        rate, angle = 0.1 + torch.rand(hidden_size), 2 * math.pi * torch.rand(hidden_size)
        self.log_decay = nn.Parameter(torch.complex(-rate, angle))
        self.b = nn.Parameter(torch.view_as_complex(torch.randn(hidden_size, input_size, 2)) / 3)
        self.c = nn.Parameter(torch.view_as_complex(torch.randn(hidden_size, hidden_size, 2)) / 4)
        self.norm = nn.LayerNorm(hidden_size)

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        return {"state": self.b.new_zeros(batch_size, self.hidden_size)}

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        new = self.log_decay.exp() * state["state"] + x.to(self.b.dtype) @ self.b.T
        return self.norm((new @ self.c.mH).real), {"state": new}


class S4D(Cell):
    """Diagonal state space model; complex numbers are kept as real pairs, in parameters and state.

    Source: Gu et al. (2022), "On the parameterization and initialization of diagonal state space models",
    equations 2 and 3, with the zero-order hold and the initial values of S4D-Lin.
    """

    def __init__(self, input_size: int, hidden_size: int, modes: int = 3) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.modes = modes
        self.encode = nn.Linear(input_size, hidden_size)
        self.log_step = nn.Parameter(torch.rand(hidden_size, 1) - 1)
        self.log_real = nn.Parameter(torch.full((hidden_size, modes), math.log(0.5)))
        self.imaginary = nn.Parameter(math.pi * torch.arange(1.0 * modes).repeat(hidden_size, 1))
        self.c = nn.Parameter(torch.randn(hidden_size, modes, 2))
        self.d = nn.Parameter(torch.randn(hidden_size))
        self.mix = nn.Linear(hidden_size, 2 * hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, self.hidden_size, self.modes, 2)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        u = self.encode(x)
        a = torch.complex(-self.log_real.exp(), self.imaginary)
        decay = torch.exp(a * self.log_step.exp())
        new = decay * torch.view_as_complex(state) + (decay - 1) / a * u[..., None]
        y = 2 * (torch.view_as_complex(self.c) * new).sum(-1).real + self.d * u
        return F.glu(self.mix(F.gelu(y)), dim=1), torch.view_as_real(new)


class LMU(Cell):
    """Legendre memory unit: a window of the past, held by its coefficients of Legendre polynomials.

    Source: Voelker et al. (2019), "Legendre memory units", equations 1, 2 and 4 to 7.
    """

    def __init__(self, input_size: int, hidden_size: int, order: int = 4, window: float = 5.0) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.order = order
        self.write_x, self.write_h = nn.Linear(input_size, 1), nn.Linear(hidden_size, 1, bias=False)
        self.write_m = nn.Linear(order, 1, bias=False)
        self.x2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.m2h = nn.Linear(order, hidden_size, bias=False)
        n = torch.arange(order, dtype=torch.get_default_dtype())
        signs = torch.where(n[:, None] < n, -1.0, (-1.0) ** (n[:, None] - n + 1).abs())
        both = torch.zeros(order + 1, order + 1)
        both[:order, :order] = (2 * n[:, None] + 1) * signs / window
        both[:order, order] = (2 * n + 1) * (-1.0) ** n / window
        held = torch.linalg.matrix_exp(both)  # the zero-order hold of both matrices
        self.register_buffer("a", held[:order, :order].clone())
        self.register_buffer("b", held[:order, order].clone())

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.order)

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, m = state
        u = self.write_x(x) + self.write_h(h) + self.write_m(m)
        m = m @ self.a.T + u * self.b
        h = torch.tanh(self.x2h(x) + self.h2h(h) + self.m2h(m))
        return h, (h, m)


class Mamba(Cell):
    """S6: a state space model whose step, input and output matrices depend on the input.

    Source: Gu and Dao (2023), "Mamba", algorithm 2 and figure 3; equation 4 for the discretisation.
    """

    def __init__(self, input_size: int, hidden_size: int, states: int = 3, width: int = 4) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.states, self.width, self.rank = states, width, 2
        self.enter = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.conv = nn.Conv1d(hidden_size, hidden_size, width, groups=hidden_size)
        self.select = nn.Linear(hidden_size, self.rank + 2 * states, bias=False)
        self.step_size = nn.Linear(self.rank, hidden_size)
        self.log_a = nn.Parameter(torch.log(torch.arange(1.0, states + 1)).repeat(hidden_size, 1))
        self.d = nn.Parameter(torch.ones(hidden_size))
        self.leave = nn.Linear(hidden_size, hidden_size, bias=False)

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        return {
            "window": self.zeros(batch_size, self.hidden_size, self.width - 1),
            "ssm": self.zeros(batch_size, self.hidden_size, self.states),
        }

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        u, gate = self.enter(x).chunk(2, dim=-1)
        window = torch.cat([state["window"], u[:, :, None]], dim=-1)
        u = F.silu(self.conv(window).squeeze(-1))
        delta, b, c = self.select(u).split([self.rank, self.states, self.states], dim=-1)
        delta = F.softplus(self.step_size(delta))
        decay = torch.exp(delta[..., None] * -torch.exp(self.log_a))
        ssm = decay * state["ssm"] + (delta * u)[..., None] * b[:, None]
        y = torch.einsum("bdn,bn->bd", ssm, c) + self.d * u
        return self.leave(y * F.silu(gate)), {"window": window[:, :, 1:], "ssm": ssm}


class Griffin(Cell):
    """The recurrent block of Griffin: a short convolution, then the gated linear recurrence RG-LRU.

    Source: De et al. (2024), "Griffin", equations 1 to 4 and figure 2c.
    """

    def __init__(self, input_size: int, hidden_size: int, width: int = 3) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.branch, self.enter = nn.Linear(input_size, hidden_size), nn.Linear(input_size, hidden_size)
        self.taps = nn.Parameter(torch.randn(width, hidden_size) / width)
        self.gates = nn.Linear(hidden_size, 2 * hidden_size)
        self.decay = nn.Parameter(torch.rand(hidden_size))
        self.leave = nn.Linear(hidden_size, hidden_size)

    def initial_state(self, batch_size: int) -> GriffinState:
        window = [self.zeros(batch_size, self.hidden_size) for _ in range(len(self.taps) - 1)]
        return window, self.zeros(batch_size, self.hidden_size)

    def step(self, x: Tensor, state: GriffinState) -> tuple[Tensor, GriffinState]:
        window, h = state
        window = [*window, self.enter(x)]
        u = sum(tap * past for tap, past in zip(self.taps, window, strict=True))
        r, i = torch.sigmoid(self.gates(u)).chunk(2, 1)
        log_a = -8 * F.softplus(self.decay) * r
        h = torch.exp(log_a) * h + torch.sqrt(-torch.expm1(2 * log_a)) * (i * u)
        return self.leave(h * F.gelu(self.branch(x), approximate="tanh")), (window[1:], h)
