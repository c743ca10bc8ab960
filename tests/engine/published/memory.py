"""Published cells with a memory that is written and read: matrices, traces, slots, weighted sums."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit import Cell


class RWKV(Cell):
    """The time mixing of RWKV-4: a weighted mean of all values so far, with a running maximum.

    Source: Peng et al. (2023), "RWKV", equations 11 to 18, and appendix D for the form that is safe from
    overflow.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.encode, self.norm = nn.Linear(input_size, hidden_size), nn.LayerNorm(hidden_size)
        self.mix = nn.Parameter(torch.rand(3, hidden_size))
        self.receptance, self.key, self.value, self.output = (
            nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(4)
        )
        self.log_decay = nn.Parameter(torch.linspace(-3, 1, hidden_size))
        self.bonus = nn.Parameter(torch.rand(hidden_size))

    def initial_state(self, batch_size: int) -> list[Tensor]:
        before, numerator, denominator, highest = (self.zeros(batch_size, self.hidden_size) for _ in range(4))
        return [before, numerator, denominator, highest - 1e38]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        before, numerator, denominator, highest = state
        stream = self.encode(x)
        here = self.norm(stream)
        for_r, for_k, for_v = (torch.lerp(before, here, share) for share in self.mix)
        r, k, v = self.receptance(for_r), self.key(for_k), self.value(for_v)

        top = torch.maximum(highest, self.bonus + k)
        past, present = torch.exp(highest - top), torch.exp(self.bonus + k - top)
        wkv = (past * numerator + present * v) / (past * denominator + present)

        decayed = highest - torch.exp(self.log_decay)
        highest = torch.maximum(decayed, k)
        past, present = torch.exp(decayed - highest), torch.exp(k - highest)
        numerator, denominator = past * numerator + present * v, past * denominator + present
        y = stream + self.output(torch.sigmoid(r) * wkv)
        return y, [here, numerator, denominator, highest]


class DeltaNet(Cell):
    """A matrix of associations; each step replaces, in part, what is stored under its key.

    Source: Schlag et al. (2021), "Linear transformers are secretly fast weight programmers", equations 24
    and 25; keys of length one as in Yang et al. (2024), "Parallelizing linear transformers with the delta
    rule", section 3.3.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.query, self.key, self.value = (nn.Linear(input_size, hidden_size, bias=False) for _ in range(3))
        self.rate = nn.Linear(input_size, 1)
        self.norm = nn.RMSNorm(hidden_size, eps=1e-5)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, self.hidden_size, self.hidden_size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        query = F.normalize(F.silu(self.query(x)), dim=-1)
        key = F.normalize(F.silu(self.key(x)), dim=-1)
        stored = (state @ key[..., None])[..., 0]
        change = torch.sigmoid(self.rate(x)) * (self.value(x) - stored)
        state = torch.baddbmm(state, change[..., None], key[:, None])
        return self.norm(torch.bmm(state, query[..., None]).squeeze(-1)), state


class Holographic(Cell):
    """Pairs bound by circular convolution, added up in one trace; a query takes its value out again.

    Source: Plate (1995), "Holographic reduced representations", section II, in the Fourier domain; the
    memory of Danihelka et al. (2016), "Associative long short-term memory", with one copy.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.project = nn.Linear(input_size + hidden_size, 3 * hidden_size)
        self.decay = nn.Parameter(torch.tensor(1.0))

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, trace = state
        key, value, query = self.project(torch.cat([x, h], dim=1)).chunk(3, 1)
        bound = torch.fft.irfft(torch.fft.rfft(key) * torch.fft.rfft(value), n=self.hidden_size)
        trace = torch.sigmoid(self.decay) * trace + bound
        spectrum = torch.fft.rfft(trace) * torch.fft.rfft(query).conj()
        h = torch.tanh(torch.fft.irfft(spectrum, n=self.hidden_size))
        return h, (h, trace)


class FastWeights(Cell):
    """An RNN with a second, fast matrix: the decaying sum of its states' outer products.

    Source: Ba et al. (2016), "Using fast weights to attend to the recent past", equations 1 to 3.
    """

    def __init__(self, input_size: int, hidden_size: int, inner: int = 3) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.inner, self.decay, self.rate = inner, 0.9, 0.5
        self.i2h, self.h2h = (
            nn.Linear(input_size, hidden_size),
            nn.Linear(hidden_size, hidden_size, bias=False),
        )
        self.norm = nn.LayerNorm(hidden_size)

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        fast = self.zeros(batch_size, self.hidden_size, self.hidden_size)
        return {"hidden": self.zeros(batch_size, self.hidden_size), "fast": fast}

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        h = state["hidden"]
        fast = self.decay * state["fast"] + self.rate * torch.einsum("bi,bj->bij", h, h)
        slow = self.i2h(x) + self.h2h(h)
        h = torch.relu(slow)
        for _ in range(self.inner):
            h = torch.relu(self.norm(slow + torch.einsum("bij,bj->bi", fast, h)))
        return h, {"hidden": h, "fast": fast}


class TuringMachine(Cell):
    """A controller with one head that reads and writes slots, by content and by place.

    Source: Graves et al. (2014), "Neural Turing machines", equations 2 to 9.
    """

    def __init__(self, input_size: int, hidden_size: int, slots: int = 5, width: int = 4) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.slots, self.width = slots, width
        self.controller = nn.GRUCell(input_size + width, hidden_size)
        self.head = nn.Linear(hidden_size, 3 * width + 6)
        self.memory = nn.Parameter(torch.randn(slots, width) / 2)

    def initial_state(self, batch_size: int) -> dict[str, Any]:
        weight = self.zeros(batch_size, self.slots) + 1 / self.slots
        return {
            "controller": self.zeros(batch_size, self.hidden_size),
            "memory": [self.memory.expand(batch_size, -1, -1), weight],
            "read": (self.zeros(batch_size, self.width),),
        }

    def step(self, x: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        (memory, weight), (read,) = state["memory"], state["read"]
        h = self.controller(torch.cat([x, read], dim=1), state["controller"])
        sizes = [self.width, self.width, self.width, 1, 1, 1, 3]
        key, erase, add, strength, gate, sharp, shift = self.head(h).split(sizes, dim=1)

        likeness = F.cosine_similarity(memory, key[:, None], dim=2)
        content = F.softmax(F.softplus(strength) * likeness, dim=1)
        weight = torch.lerp(weight, content, torch.sigmoid(gate))
        turned = torch.stack([weight.roll(places, dims=1) for places in (-1, 0, 1)], dim=2)
        weight = torch.bmm(turned, shift.softmax(1).unsqueeze(2)).squeeze(2)
        weight = weight ** (1 + F.softplus(sharp))
        weight = weight / weight.sum(1, keepdim=True)

        memory = memory * (1 - weight[:, :, None] * torch.sigmoid(erase)[:, None])
        memory = memory + weight[:, :, None] * torch.tanh(add)[:, None]
        read = torch.einsum("bs,bsw->bw", weight, memory)
        return h, {"controller": h, "memory": [memory, weight], "read": (read,)}
