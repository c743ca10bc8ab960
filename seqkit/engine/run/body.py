"""The body of a loop: one step, which reads and writes rows of preallocated memory.

loop = body.bind(constants)             once per unroll
run = loop(reads, written)              the memory of all steps
run(range(time))                        reads, computes, writes, row after row
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, fx

from seqkit.engine.run.products import is_worth_packing, pack, packed_product, tall_product
from seqkit.engine.trace.graphs import Stage, aten, insert, is_view, returned, value_of

Step = Callable[..., Any]
Run = Callable[[range], None]
"""Runs these steps, in this order."""
Loop = Callable[[Sequence[Tensor], Sequence[Tensor]], Run]
"""`loop(reads, written)`: each tensor is the memory of all steps, `(time, batch, ...)`."""
Place = tuple[int, int, int]
"""Dimension, start and length of a slice of one step's memory."""


@dataclass(frozen=True)
class Draft:
    """The graph of a body, before it is made into a function.

    Attributes:
        graph: its placeholders are the constants, the packed constants, what a step reads, and the
            destinations, in this order. It has no output.
        packed: the index of each constant that is packed, and the number of rows of its products.
        destinations: for each, the index of the written output whose memory it is, and the slice of it.
        writes: nodes, each with the destination that it is written to.
        results: the nodes that a step returns.
    """

    graph: fx.Graph
    packed: list[tuple[int, int]]
    destinations: list[tuple[int, Place | None]]
    writes: list[tuple[fx.Node, fx.Node]]
    results: list[fx.Node]

    def written_at(self, node: fx.Node) -> list[fx.Node]:
        """The destinations of a node's value."""
        return [destination for written, destination in self.writes if written is node]

    def fixed(self, constants: Sequence[Tensor]) -> list[Tensor]:
        """The constants, copied if their strides are not those that a step reads."""
        return [
            each if strides is None else _laid_out(each[None], strides)[0]
            for each, strides in zip(constants, self._fixed_strides, strict=False)
        ]

    def columns(self, reads: Sequence[Tensor], written: Sequence[Tensor]) -> list[Tensor]:
        """The memory of all steps, in the order in which a step takes its rows."""
        cut = []
        for index, place in self.destinations:
            memory = written[index]
            cut.append(memory if place is None else memory.narrow(place[0] + 1, *place[1:]))
        strides = self._strides[-len(reads) - len(cut) :]
        laid_out = [_laid_out(each, row) for each, row in zip(reads, strides, strict=False)]
        return [*laid_out, *cut]

    @cached_property
    def _fixed_strides(self) -> list[tuple[int, ...] | None]:
        """Like `_strides`; None if only the packed form of the memory is read."""
        ends = {*(node for node, _ in self.writes), *self.results}
        pairs = zip(self._placeholders, self._strides, strict=True)
        return [strides if node.users or node in ends else None for node, strides in pairs]

    @cached_property
    def _strides(self) -> list[tuple[int, ...]]:
        """The strides of one step's memory, for each placeholder."""
        return [tuple(value_of(node).stride()) for node in self._placeholders]

    @cached_property
    def _placeholders(self) -> list[fx.Node]:
        """The placeholders except the packed constants, which have their own layout."""
        return [node for node in self.graph.find_nodes(op="placeholder") if "val" in node.meta]


def _laid_out(column: Tensor, strides: tuple[int, ...]) -> Tensor:
    """The column, copied if its rows do not have the strides that the body was made for.

    The loops' own memory has them, unless a hook has replaced a tensor that autograd saved by a copy.
    """
    shape, lie = column.shape[1:], column.stride()[1:]
    if lie == strides or all(a == b for n, a, b in zip(shape, lie, strides, strict=True) if n > 1):
        return column
    span = 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    rows = column.new_empty(len(column), span).as_strided(column.shape, (span, *strides))
    return rows.copy_(column)


class Body(ABC):
    """The work of a loop at each step."""

    @abstractmethod
    def bind(self, constants: Sequence[Tensor]) -> Loop:
        """The loop with its constants bound. Matrices are packed here, so call it once per unroll."""

    def tall_product(self, left: Tensor, right: Tensor, total: Tensor | None = None) -> Tensor:
        """left.t() @ right for `(R, M)` and `(R, N)`, the gradient of a weight, by the body's fastest method.

        Args:
            left, right: the factors.
            total: the result of an earlier call, to which the product is added.
        """
        return tall_product(left, right, total)


@dataclass(frozen=True)
class PythonBody(Body):
    """A draft and the function made from it: constants, packed, reads, destinations -> results."""

    draft: Draft
    function: Step

    def bind(self, constants: Sequence[Tensor]) -> Loop:
        """See `Body`; each step is a call of the function."""
        step = self.step(constants)

        def loop(reads: Sequence[Tensor], written: Sequence[Tensor]) -> Run:
            rows = [*zip(*(column.unbind(0) for column in self.draft.columns(reads, written)), strict=True)]

            def run(steps: range) -> None:
                for t in steps if rows else ():  # without memory there is nothing to compute
                    step(*rows[t])

            return run

        return loop

    def step(self, constants: Sequence[Tensor]) -> Step:
        """The function with its constants bound."""
        packed = [pack(rows, constants[index]) for index, rows in self.draft.packed]
        return partial(self.function, *self.draft.fixed(constants), *packed)


def whole_of(memory: Tensor, *parts: Tensor) -> Tensor:
    """The memory to which the parts have been written; as a node it makes a graph compute them first."""
    return memory


def draft_body(stage: Stage, constants: int, results: int = 0, *, packing: bool = True) -> Draft:
    """Prepare a stage to run in a loop.

    Args:
        stage: its first inputs are the constants, its first outputs the results; other outputs are written.
        constants: how many inputs are the same at every step.
        results: how many outputs are returned.
        packing: whether matrices are packed for oneDNN if that is faster. The other matrices are then made
            contiguous, because a product with a transposed one takes a third longer. Without packing, a
            transposed matrix is read with its own strides.
    """
    source = stage.run.graph
    inputs = source.find_nodes(op="placeholder")
    outputs = returned(source)
    graph = fx.Graph()
    copies = {node: _placeholder(graph, node.name, node) for node in inputs[:constants]}
    for node in inputs[:constants]:
        if not packing and _is_transposed_factor(node):
            copies[node].meta["val"] = value_of(node)
    products = _products_to_pack(source, inputs[:constants]) if packing else {}
    packed = list(dict.fromkeys((inputs.index(matrix), rows) for matrix, rows in products.values()))
    packs = {(inputs[index], rows): graph.placeholder(f"packed_{index}") for index, rows in packed}
    copies |= {node: _placeholder(graph, node.name, node) for node in inputs[constants:]}

    destinations: list[tuple[int, Place | None]] = []
    planned: list[tuple[fx.Node, fx.Node]] = []
    whole: dict[fx.Node, fx.Node] = {}
    for index, node in enumerate(outputs[results:]):
        if _is_joined_memory(node, outputs) and node not in whole:
            # Each part is written to its own slice, so nothing is concatenated; readers use all the memory.
            dim, start = _joined_dim(node), 0
            for part in _parts(node):
                length = value_of(part).shape[dim]
                planned.append((part, _placeholder(graph, f"destination_{len(destinations)}", node)))
                planned[-1][1].meta["val"] = _memory_of(node).narrow(dim, start, length)
                destinations.append((index, (dim, start, length)))
                start += length
            whole[node] = _placeholder(graph, f"whole_{index}", node)
        else:
            planned.append((node, _placeholder(graph, f"destination_{len(destinations)}", node)))
        destinations.append((index, None))
    for node in source.nodes:
        if node in whole:
            parts = [copies[part] for part in _parts(node)]
            copies[node] = graph.call_function(whole_of, (whole[node], *parts))
        elif node in products:
            matrix = packs[products[node]]
            copies[node] = graph.call_function(packed_product, (copies[node.args[0]], matrix))
            copies[node].meta = dict(node.meta)
        elif node.op in ("get_attr", "call_function"):
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return Draft(
        graph,
        packed,
        destinations,
        [(copies[node], destination) for node, destination in planned],
        [_contiguous(graph, copies[node]) for node in outputs[:results]],
    )


def _contiguous(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """The node, copied if it is a view that is not contiguous: the next step reads contiguous memory."""
    if value_of(node).is_contiguous():
        return node
    return insert(graph, aten.clone.default, node, memory_format=torch.contiguous_format)


def _placeholder(graph: fx.Graph, name: str, like: fx.Node) -> fx.Node:
    """A placeholder of that node's shape, with the strides of its memory."""
    node = graph.placeholder(name)
    node.meta["val"] = _memory_of(like)
    return node


def _memory_of(node: fx.Node) -> Tensor:
    """A fake tensor with the strides of one step's memory of the node."""
    memory: Tensor = node.meta.get("memory", value_of(node).contiguous())
    return memory


def _products_to_pack(graph: fx.Graph, constants: Sequence[fx.Node]) -> dict[fx.Node, tuple[fx.Node, int]]:
    """The products with a constant matrix that is worth packing: product -> (matrix, rows)."""
    found = {}
    for node in graph.find_nodes(op="call_function", target=aten.mm.default):
        left, matrix = node.args
        if matrix in constants and is_worth_packing(value_of(left).shape[0], value_of(matrix)):
            found[node] = (matrix, value_of(left).shape[0])
    return found


def _is_transposed_factor(node: fx.Node) -> bool:
    """Whether the node is a transposed matrix that only products read, as their right factor."""
    value = value_of(node)
    is_factor = all(user.target == aten.mm.default and user.args[0] is not node for user in node.users)
    return is_factor and value.ndim == 2 and value.t().is_contiguous()


def _is_joined_memory(node: fx.Node, outputs: Sequence[fx.Node]) -> bool:
    """Whether the node concatenates tensors and only products read it, so that no copy is needed.

    Each part must be computed for this node alone.
    """
    return (
        node.target == aten.cat.default
        and all(user.target == aten.mm.default or user.op == "output" for user in node.users)
        and len({*_parts(node)}) == len(_parts(node))
        and all(
            part.op == "call_function" and not is_view(part) and part not in outputs for part in _parts(node)
        )
    )


def _parts(node: fx.Node) -> list[fx.Node]:
    """The tensors that a `cat` concatenates."""
    parts: Any = node.args[0]
    return list(parts)


def _joined_dim(node: fx.Node) -> int:
    dim: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    return int(dim) % value_of(node).ndim
