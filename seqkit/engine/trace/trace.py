"""Tracing a plain step to a graph of single operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch._decomp import get_decompositions
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from seqkit.cells.base import Cell
from seqkit.engine.trace.call import Call
from seqkit.engine.trace.contract import checked_step, shape_of_tree
from seqkit.engine.trace.functional import functional, single_operations
from seqkit.engine.trace.graphs import aten, returned, without_repetition
from seqkit.engine.trace.lines import NotedLines, definition_of, line_of
from seqkit.engine.trace.refusal import RefusedError
from seqkit.engine.trace.rehearsal import rehearse
from seqkit.engine.trace.standin import stand_in
from seqkit.engine.trace.weights import Weights


def _sign(x: Tensor) -> Tensor:
    """`sign` has the same derivative as `sgn` for real numbers, and it can be traced."""
    return NotImplemented if x.is_complex() else torch.sign(x)


_DECOMPOSED: Final[Mapping[Any, Any]] = {
    # Attention is a single kernel; as products and a softmax its parts can be split.
    **get_decompositions([aten._scaled_dot_product_flash_attention_for_cpu.default]),
    aten.sgn.default: _sign,
    aten._embedding_bag_forward_only.default: aten._embedding_bag.default,  # which has a derivative
}


@dataclass(frozen=True)
class StepGraph:
    """One step: `(weights..., x, state...) -> (output, new state...)`, one node per operation.

    Attributes:
        graph: the nodes; `node.meta["val"]` is a fake tensor of its shape and dtype.
        weights, x, state: its placeholders.
        new_state: what it returns after the output.
        places: for each weight by its name, and for `x`, `output` and `state[i]`, the operation that reads or
            computes it, and the line.
    """

    graph: fx.Graph
    weights: list[fx.Node]
    x: fx.Node
    state: list[fx.Node]
    new_state: list[fx.Node]
    places: dict[str, tuple[str, str]] = field(default_factory=dict)


def trace_step(call: Call, weights: Weights, x: Tensor) -> StepGraph:
    """The graph of a step, found by running a stand-in for its cell over fake tensors.

    Args:
        call: provides the cell and the state, whose values are not read.
        weights: the tensors that the step may read; there may be others among them.
        x: input of one step, `(batch, input_size)`, whose values are not read.
    Raises:
        RefusedError: the step cannot be expressed as a graph.
    """
    for name, tensor in weights.items():
        if tensor.layout != torch.strided:
            raise RefusedError(f"{name} is sparse")
    fake = FakeTensorMode()
    leaves, structure = pytree.tree_flatten(call.state)
    values = [_fake(fake, tensor) for tensor in [*weights.values(), x, *leaves]]
    count = len(weights)

    def acting(flat: Sequence[Tensor]) -> Cell:
        return stand_in(call.cell, dict(zip(weights, flat[:count], strict=True)), strict=True)

    def step(cell: Cell, flat: list[Tensor]) -> tuple[Tensor, Any]:
        state = pytree.tree_unflatten(flat[count + 1 :], structure)
        result = cell.step(flat[count], state)
        output, new_state = checked_step(cell, len(x), result, state)
        if pytree.tree_structure(new_state) != structure:
            trees = f"from {shape_of_tree(state)} to {shape_of_tree(new_state)}"
            raise RefusedError(f"its state changes its structure, {trees}", definition_of(cell.step))
        return output, new_state

    def flat_step(*flat: Tensor) -> list[Tensor]:
        with NotedLines():
            output, new_state = step(acting(flat), list(flat))
        return [output, *pytree.tree_leaves(new_state)]

    with fake:
        rehearse(lambda: acting(values), lambda cell: step(cell, values), values)
        detached = [value.detach() for value in values]
        traced, again = (single_operations(flat_step, detached, _DECOMPOSED) for _ in range(2))
        if traced.code != again.code:
            raise RefusedError(
                "it does not perform the same operations twice", _first_difference(traced, again)
            )
        return _step_graph(functional(traced, detached), list(weights))


def _step_graph(traced: fx.GraphModule, names: list[str]) -> StepGraph:
    traced.graph.eliminate_dead_code()
    for node in traced.graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, Tensor) and value.layout != torch.strided:
            raise RefusedError("it makes a sparse tensor", line_of(node))
    graph = without_repetition(traced)
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    output, *new_state = returned(graph)
    count = len(names)
    named = dict(zip([*names, "x"], placeholders, strict=False))
    places = {name: _place(next(iter(node.users), None)) for name, node in named.items()}
    ends = {"output": output, **{f"state[{index}]": node for index, node in enumerate(new_state)}}
    places |= {name: _place(node) for name, node in ends.items()}
    state = placeholders[count + 1 :]
    return StepGraph(graph, placeholders[:count], placeholders[count], state, new_state, places)


def _first_difference(one: fx.GraphModule, other: fx.GraphModule) -> str:
    """The line of the first operation that differs the second time."""
    for a, b in zip(one.graph.nodes, other.graph.nodes, strict=False):
        if (a.target, str(a.args), str(a.kwargs)) != (b.target, str(b.args), str(b.kwargs)):
            return line_of(a)
    return ""


def _place(node: fx.Node | None) -> tuple[str, str]:
    """The name of a node's operation, and its line."""
    return ("", "") if node is None else (str(getattr(node.target, "__name__", node.target)), line_of(node))


def _fake(mode: FakeTensorMode, tensor: Tensor) -> Tensor:
    """A contiguous tensor without values, which requires a gradient if the real one does."""
    shape, dtype, device = tensor.shape, tensor.dtype, tensor.device
    with mode:
        return torch.empty(shape, dtype=dtype, device=device, requires_grad=tensor.requires_grad)
