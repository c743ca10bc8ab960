"""Random cells: a step drawn from a seed, of any depth, with any gates, states, shapes and shared weights."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit import Cell

WIDTHS = (4, 6)

Operation = Callable[[list[Tensor]], Tensor]


class RandomCell(Cell):
    """A cell whose step is a random program.

    Values are `(batch, width)`. The program starts from the input and the leaves of the state, adds one
    value after the other, and picks from them the new state and the output.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        draw = self._random
        self.input_size = draw.randint(1, 5)
        self.width = draw.choice(WIDTHS)
        self.leaves = draw.randint(1, 3)
        self.counts = draw.random() < 0.2  # whether one leaf is a counter of whole numbers
        self.tree = draw.choice(["tuple", "dict", "nested"]) if self.leaves > 1 or self.counts else "tensor"
        self.slope = draw.uniform(0.5, 1.5)
        self.weights = nn.ParameterList()
        self._generator = generator
        self.register_buffer("mask", torch.bernoulli(torch.full((self.width,), 0.7), generator=generator))
        start = self.parameter(self.input_size, self.width)
        self.program: list[Operation] = [lambda values: values[0] @ start()]
        first = self.leaves + 1  # values: the input, the leaves, then those that the program adds
        for index in range(draw.randint(3, 12)):
            self.program.append(self.operation(first + index + 1))
        count = first + len(self.program)
        self.new_state = [draw.randrange(first, count) for _ in range(self.leaves)]
        self.reads_out = draw.random() < 0.5
        self.output_size = draw.randint(1, 4) if self.reads_out else self.width
        self.readout = self.parameter(self.width, self.output_size) if self.reads_out else None
        self.output = draw.randrange(1 if draw.random() < 0.3 else first, count)
        for parameter in self.weights:
            parameter.requires_grad_(draw.random() < 0.9)  # some are frozen

    def parameter(self, *shape: int, zeros: bool = False) -> Callable[[], Tensor]:
        """A new weight, or an existing one; it is looked up at each step, as an attribute is."""
        index = len(self.weights)
        same = [known for known, weight in enumerate(self.weights) if tuple(weight.shape) == shape]
        if zeros:
            self.weights.append(nn.Parameter(torch.zeros(shape, dtype=torch.float64)))
        elif same and self._random.random() < 0.3:
            index = self._random.choice(same)
        else:
            weight = torch.randn(shape, generator=self._generator, dtype=torch.float64) * 0.5
            self.weights.append(nn.Parameter(weight))
        return lambda: self.weights[index]

    def operation(self, count: int) -> Operation:
        """One more value, from those that exist so far."""
        draw, width = self._random, self.width
        a, b, c = (draw.randrange(1, count) for _ in range(3))
        if draw.random() < 0.15:
            a = 0  # the input itself
        matrix = self.parameter(self.input_size if a == 0 else width, width)
        vector = self.parameter(width)
        if a == 0:
            return lambda v: v[0] @ matrix() + vector()
        square = self.parameter(width, width)
        norm = nn.LayerNorm(width, eps=0.1).double()  # steep where a row is nearly constant
        gates = self.parameter(2 * width, 2 * width)
        kernel = self.parameter(1, 1, 3)
        heads = self.parameter(2, width // 2, width // 2)
        gate = self.parameter(width, zeros=True)
        phase = self.parameter(width // 2)
        kinds: list[Operation] = [
            lambda v: torch.tanh(v[a] @ matrix() + v[b]),
            lambda v: F.linear(v[a], square(), vector()),
            lambda v: torch.tanh(v[a] + v[b] + v[c] + vector()),
            lambda v: torch.sigmoid(v[a]) * v[b] + (1 - torch.sigmoid(v[a])) * v[c],
            lambda v: v[a] * vector() + self.slope * torch.tanh(v[b]),  # a peephole
            lambda v: (v[a] @ matrix()) * torch.tanh(v[b] @ square()),  # multiplicative
            lambda v: F.layer_norm(v[a] + v[b], (width,), vector(), None, 0.1),
            lambda v: norm(v[a]),
            lambda v: F.softmax(v[a], dim=1) * v[b],
            lambda v: torch.where(v[a] > v[b], v[a], torch.tanh(v[c])),
            lambda v: v[a].detach() * torch.tanh(v[b]),
            lambda v: torch.tanh(v[a]) @ square().tril() + v[b] * self.mask,  # a function of a weight
            lambda v: torch.tanh(F.conv1d(v[a][:, None], kernel(), padding=1)[:, 0]),
            lambda v: torch.einsum("bhi,hij->bhj", torch.tanh(v[a]).view(-1, 2, width // 2), heads()).flatten(
                1
            ),
            lambda v: self._gated(torch.cat([v[a], v[b]], dim=1) @ gates(), v[c]),
            lambda v: v[a][:, torch.arange(width - 1, -1, -1)].tanh(),  # reversed features
            lambda v: torch.cat([v[a][:, :2], v[b][:, 2:]], dim=1),
            lambda v: v[a] / (1 + v[b].abs().mean(1, keepdim=True)),
            lambda v: F.gelu(v[a]).clamp(-1.5, 1.5) + 0.1 * v[b],
            lambda v: self._in_place(v[a], v[b]),
            lambda v: torch.maximum(v[a], torch.tanh(v[b])),
            lambda v: torch.minimum(v[a], v[b] @ square()) + torch.maximum(v[a], v[c]),
            lambda v: (
                v[a] + gate() * torch.maximum(v[b], v[c] @ square())
            ),  # a branch that is closed at first
            lambda v: v[a] + gate() * F.normalize(v[b] + v[c], dim=1, eps=0.1),
            lambda v: self._turned(v[a], phase()),
            lambda v: torch.fft.irfft(torch.fft.rfft(v[a]) * torch.fft.rfft(torch.tanh(v[b])), n=width),
            lambda v: v[a] + gate() * self._turned(v[b] @ square(), phase()),
        ]
        chosen = draw.choice(kinds)
        if chosen is kinds[7]:
            self.add_module(f"norm_{len(self.weights)}_{count}", norm)
        return chosen

    @staticmethod
    def _gated(both: Tensor, memory: Tensor) -> Tensor:
        gate, candidate = both.chunk(2, dim=1)
        return torch.sigmoid(gate) * memory + torch.tanh(candidate)

    @staticmethod
    def _turned(value: Tensor, phase: Tensor) -> Tensor:
        """Pairs of numbers as complex numbers, each rotated by its phase."""
        pairs = torch.view_as_complex(value.unflatten(1, (-1, 2)).contiguous())
        turned = pairs * torch.exp(1j * phase)
        return torch.cat([turned.real, turned.imag], dim=1)

    @staticmethod
    def _in_place(a: Tensor, b: Tensor) -> Tensor:
        result = torch.tanh(a) + b
        result += b  # its own memory, not the input's
        result[:, 0] = 0.5 * b[:, 1]
        return result

    def initial_state(self, batch_size: int) -> Any:
        # For a constant row, layer_norm returns 0 or a rounding error: with zeros that is a tie, which
        # maximum's derivative breaks by chance. Only the first leaf is constant, all zeros, which stay zeros.
        slope = torch.linspace(1, 1.5, self.width, dtype=torch.float64)
        leaves = [self.zeros(batch_size, self.width) + 0.1 * index * slope for index in range(self.leaves)]
        count = [torch.zeros(batch_size, dtype=torch.int64)] if self.counts else []
        return self._grow([*leaves, *count])

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        leaves = self._cut(state)
        values = [x, *leaves[: self.leaves]]
        for operation in self.program:
            values.append(operation(values))
        counters = [leaves[-1] + 1] if self.counts else []
        output = values[self.output]
        if self.counts:
            output = output * (1 + 0.01 * leaves[-1].to(output.dtype))[:, None]
        if self.readout is not None:
            output = output @ self.readout()
        return output, self._grow([torch.tanh(values[index]) for index in self.new_state] + counters)

    def _grow(self, leaves: list[Tensor]) -> Any:
        """The leaves as a tree."""
        if self.tree == "tensor":
            return leaves[0]
        if self.tree == "dict":
            return {f"leaf_{index}": leaf for index, leaf in enumerate(leaves)}
        return tuple(leaves) if self.tree == "tuple" else (leaves[0], {"rest": tuple(leaves[1:])})

    def _cut(self, state: Any) -> list[Tensor]:
        if self.tree == "tensor":
            return [state]
        if self.tree == "dict":
            return list(state.values())
        return list(state) if self.tree == "tuple" else [state[0], *state[1]["rest"]]


def random_cell(seed: int) -> RandomCell:
    """The cell of a seed, in double precision."""
    return RandomCell(seed).double()


def moved_cell(cell: RandomCell, seed: int) -> None:
    """Move every weight of the cell, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in cell.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
