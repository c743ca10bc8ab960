"""Cells as they are ported from a script: the step modifies the tree of its state, and returns it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqkit import Cell


class WritesList(Cell):
    """An LSTM with gates added up in place, and a list that each step modifies.

    Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000), equation 3.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size)

    def initial_state(self, batch_size: int) -> Any:
        return [self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)]

    def gates(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        gates = self.i2h(x)
        gates += self.h2h(h)  # its own memory
        return gates.chunk(4, 1)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        i, f, g, o = self.gates(x, state[0])
        state[1] = state[1] * f.sigmoid() + i.sigmoid() * g.tanh()
        state[0] = o.sigmoid() * state[1].tanh()
        return state[0], state


class WritesDict(WritesList):
    """The same with a dict, which holds a counter."""

    def initial_state(self, batch_size: int) -> Any:
        hidden, memory = super().initial_state(batch_size)
        return {"hidden": hidden, "memory": memory, "count": torch.zeros(batch_size, dtype=torch.int64)}

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        i, f, g, o = self.gates(x, state["hidden"])
        state["memory"] = state["memory"] * f.sigmoid() + i.sigmoid() * g.tanh()
        state["hidden"] = o.sigmoid() * state["memory"].tanh() / (1 + state["count"][:, None])
        state["count"] = state["count"] + 1
        return state["hidden"], state


class WritesInside(WritesList):
    """A list inside a tuple is modified: a window of the last outputs, the oldest of which is dropped."""

    def initial_state(self, batch_size: int) -> Any:
        hidden, memory = super().initial_state(batch_size)
        return hidden, {"memory": memory, "window": [hidden.clone(), hidden.clone()]}

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden, kept = state
        i, f, g, o = self.gates(x, hidden + kept["window"][0])
        kept["memory"] = kept["memory"] * f.sigmoid() + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * kept["memory"].tanh()
        kept["window"].append(hidden)
        oldest = kept["window"].pop(0)
        return hidden + oldest, (hidden, kept)


class WritesAndReturnsOther(WritesList):
    """Modifies its list, and returns another tree: a second reader of the list sees the changes."""

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        i, f, g, o = self.gates(x, state[0])
        state[0] = state[0] * 0.5
        memory = state[1] * f.sigmoid() + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * memory.tanh() + state[0]
        return hidden, [hidden, memory]


WRITTEN: dict[str, type[Cell]] = {
    "list": WritesList,
    "dict": WritesDict,
    "inside": WritesInside,
    "other": WritesAndReturnsOther,
}
