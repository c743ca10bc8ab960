"""From a plain step to a graph of single operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import parametrize
from torch.utils import _pytree as pytree

from seqkit.cells.base import Cell, State
from seqkit.engine.contract import checked_step
from seqkit.engine.graphs import aten, returned, without_repetition
from seqkit.engine.rehearsal import rehearse
from seqkit.engine.weights import Weights, replaced
from seqkit.errors import SplitError


def _select_written(memory: Tensor, value: Tensor, dim: int, index: int) -> Tensor:
    """What memory holds after a value was written to one place of a dimension."""
    index %= memory.shape[dim]
    before, after = memory.narrow(dim, 0, index), memory.narrow(dim, index + 1, memory.shape[dim] - index - 1)
    return _joined([before, value.unsqueeze(dim), after], dim)


def _slice_written(
    memory: Tensor,
    value: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """What memory holds after a value was written to a slice of a dimension."""
    if step != 1:
        return NotImplemented  # type: ignore[no-any-return]  # then it stays one operation
    start, end, _ = slice(start, end).indices(memory.shape[dim])
    before, after = memory.narrow(dim, 0, start), memory.narrow(dim, end, memory.shape[dim] - end)
    return _joined([before, value, after], dim)


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    return torch.cat([part for part in parts if part.shape[dim]], dim)


def _written(memory: Tensor, value: Tensor, non_blocking: bool = False) -> Tensor:
    """What memory holds after a value was written to it; as one operation it has no derivative."""
    return value.to(memory.dtype).expand(memory.shape).clone()


_DECOMPOSED: Any = {
    aten.copy.default: _written,
    aten.select_scatter.default: _select_written,
    aten.slice_scatter.default: _slice_written,
}
"""Writes to memory of the step's own, as operations whose derivative is right under `vmap`."""


@dataclass(frozen=True)
class StepGraph:
    """One step: `(weights..., x, state...) -> (output, new state...)`, one node an operation.

    Attributes:
        graph: the nodes; `node.meta["val"]` is a fake tensor of its shape and dtype.
        weights, x, state: its placeholders.
        new_state: what it returns after the output.
    """

    graph: fx.Graph
    weights: list[fx.Node]
    x: fx.Node
    state: list[fx.Node]
    new_state: list[fx.Node]


def trace_step(cell: Cell, weights: Weights, x: Tensor, state: State) -> StepGraph:
    """The graph of a step, found by running it over fake tensors.

    Args:
        cell: the step.
        weights: what `weights_of` gives.
        x: input of one step, `(batch, input_size)`; only shape, dtype and device are looked at.
        state: the state before it; likewise.
    Raises:
        SplitError: the step does what no graph can hold.
    """
    fake = FakeTensorMode()
    leaves, structure = pytree.tree_flatten(state)
    values = [_fake(fake, tensor) for tensor in [*weights.values(), x, *leaves]]
    count = len(weights)

    def step(*flat: Tensor) -> tuple[Tensor, Any]:
        with replaced(cell, dict(zip(weights, flat[:count], strict=True))):
            result: tuple[Tensor, Any] = cell.step(
                flat[count], pytree.tree_unflatten(list(flat[count + 1 :]), structure)
            )
        return result

    def flat_step(*flat: Tensor) -> list[Tensor]:
        output, new_state = step(*flat)
        return [output, *pytree.tree_leaves(new_state)]

    with fake, parametrize.cached():
        rehearse(cell, lambda: _checked(cell, len(x), step(*values), structure), values)
        detached = [value.detach() for value in values]
        functional = torch.func.functionalize(flat_step)  # writes to memory of its own become new values
        traces = [make_fx(functional, decomposition_table=_DECOMPOSED)(*detached) for _ in range(2)]
    if traces[0].code != traces[1].code:
        raise SplitError(
            f"the step of {type(cell).__name__} cannot be split: it does not do the same thing twice."
        )
    return _step_graph(traces[0], count)


def _step_graph(traced: fx.GraphModule, count: int) -> StepGraph:
    traced.graph.eliminate_dead_code()
    graph = without_repetition(traced)
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    _, *new_state = returned(graph)
    return StepGraph(graph, placeholders[:count], placeholders[count], placeholders[count + 1 :], new_state)


def _fake(mode: FakeTensorMode, tensor: Tensor) -> Tensor:
    """A contiguous tensor without numbers, that requires a gradient where the real one does."""
    shape, dtype, device = tensor.shape, tensor.dtype, tensor.device
    with mode:
        return torch.empty(shape, dtype=dtype, device=device, requires_grad=tensor.requires_grad)


def _checked(cell: Cell, batch_size: int, result: Any, structure: Any) -> tuple[Tensor, Any]:
    output, new_state = checked_step(cell, batch_size, result)
    if pytree.tree_structure(new_state) != structure:
        raise SplitError(
            f"the step of {type(cell).__name__} cannot be split: its state changes its structure."
        )
    return output, new_state
