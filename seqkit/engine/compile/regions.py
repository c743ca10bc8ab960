"""A step, cut at its matrix products into regions, each of which becomes one kernel.

    products      ──► h2h(h) ──┐
    region            x ───────┴──► gates, new memory, new state    (one loop over the numbers)

A region between two products reads and writes the memory of the loops directly.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final

from torch import Tensor, fx

from seqkit.engine.run.body import Draft, Step, whole_of
from seqkit.engine.run.products import packed_product
from seqkit.engine.trace.graphs import Stage, ancestors, aten, base_of, frontier, has_vectors, is_view

_PRODUCTS: Final = frozenset({aten.mm.default, aten.bmm.default, aten.convolution.default, packed_product})


def is_product(node: fx.Node) -> bool:
    """Whether the node is a call between two regions; products with vectors are part of a region."""
    return node.target in _PRODUCTS and not (node.target == aten.bmm.default and has_vectors(*_factors(node)))


def _factors(node: fx.Node) -> tuple[Any, Any]:
    left, right = (read.meta["val"] for read in node.args)  # type: ignore[union-attr]  # two nodes
    return left, right


Kernel = Callable[[list[Tensor]], Sequence[Tensor]]
"""A compiled region: a function of a list of tensors."""


class RegionCompiler(ABC):
    """Compiles a draft to a function that calls its kernels and its products."""

    def __init__(self, stage: Stage, draft: Draft) -> None:
        self._root = stage.run
        self._draft = draft
        self.graph = fx.Graph()
        self._written: set[fx.Node] = set()
        self._read_from: dict[fx.Node, fx.Node] = {}
        self._copies = {
            node: self.graph.placeholder(node.name) for node in draft.graph.find_nodes(op="placeholder")
        }

    @abstractmethod
    def compile_region(self, part: fx.GraphModule, inputs: Sequence[Tensor]) -> Kernel:
        """The kernel of a region; the inputs are fake tensors like those of a real call."""

    @abstractmethod
    def call_product(
        self, target: Callable[..., Any], arguments: tuple[Any, ...], into: fx.Node | None
    ) -> fx.Node:
        """Add the call of a product to `self.graph`; its result is written to `into`, if given."""

    @abstractmethod
    def call_copy(self, destination: fx.Node, value: fx.Node) -> None:
        """Add a copy of the value to `self.graph`."""

    def compile(self) -> Step:
        """The function from the values of a draft's placeholders to its results."""
        draft, graph = self._draft, self.graph
        levels = _levels(draft)
        for level in range(max(levels.values(), default=-1) + 1):
            nodes = [node for node, its in levels.items() if its == level]
            region = [node for node in nodes if not is_product(node)]
            if region:
                self._call_region(region)
            for node in nodes:
                if is_product(node):
                    self._call_product(node)
        for node, destination in draft.writes:
            if destination not in self._written:
                self.call_copy(self._copies[destination], self._copy_of(node))
        graph.output(tuple(self._copy_of(node) for node in draft.results))
        function: Step = fx.GraphModule(self._root, graph).forward
        return function

    def _call_product(self, node: fx.Node) -> None:
        destination = next(iter(self._draft.written_at(node)), None)
        into = None if destination is None else self._copies[destination]
        arguments = fx.map_arg(node.args, self._copy_of)
        self._copies[node] = self.call_product(node.target, arguments, into)  # type: ignore[arg-type]  # a function
        if destination is not None:
            self._written.add(destination)
            self._read_from[node] = destination

    def _copy_of(self, node: fx.Node) -> fx.Node:
        """The node in the body's graph; a view is made where it is read."""
        if node.target is whole_of:
            return self._copy_of(node.all_input_nodes[0])
        if node not in self._copies:
            self._copies[node] = self.graph.node_copy(node, self._copy_of)
        return self._copies[node]

    def _call_region(self, region: list[fx.Node]) -> None:
        """Compile the region, and call it in the body."""
        draft, inside = self._draft, {*region}
        reads = [node for node in frontier(region, inside.__contains__, set()) if node not in inside]
        # One destination per value: of two for the same value, Inductor 2.13 may leave one unwritten.
        written: dict[fx.Node, fx.Node] = {}
        for node, destination in draft.writes:
            if base_of(node) in inside:
                written.setdefault(node, destination)
        writes = list(written.items())
        given = [
            node
            for node in region
            if isinstance(node.meta["val"], Tensor)
            and (node in draft.results or (node not in written and _is_read_outside(node, inside)))
        ]
        arguments = [*reads, *(destination for _, destination in writes)]
        part = fx.Graph()
        own = {node: part.placeholder(node.name) for node in arguments}
        needed = ancestors([*region, *written])
        for node in draft.graph.nodes:
            belongs = node in needed and node not in own and (node in inside or is_view(node))
            if belongs and all(read in own for read in node.all_input_nodes):
                own[node] = part.node_copy(node, own.__getitem__)
        for node, destination in writes:
            part.call_function(aten.copy_.default, (own[destination], own[node]))
        part.output(tuple(own[node] for node in given))
        kernel = self.compile_region(
            fx.GraphModule(self._root, part),
            [self._read_from.get(node, node).meta["val"] for node in arguments],
        )
        called = self.graph.call_function(kernel, ([self._copy_of(node) for node in arguments],))
        for index, node in enumerate(given):
            self._copies[node] = self.graph.call_function(operator.getitem, (called, index))
        for node, destination in writes:
            self._written.add(destination)
            if node not in self._copies:
                self._copies[node] = self._copies[destination]  # later readers use the destination
                self._read_from[node] = destination
        for node, destination in draft.writes:
            if base_of(node) in inside and destination not in self._written:
                self._written.add(destination)  # before the next product, which may read all of that memory
                self.call_copy(self._copies[destination], self._copies[written[node]])


def _levels(draft: Draft) -> dict[fx.Node, int]:
    """For each operation, the number of products in the longest chain before it.

    Operations of the same level form one region; an operation that only later regions read belongs to the
    first of them. Views have no level: they are made where they are read.
    """
    reached: dict[fx.Node, int] = {}
    for node in draft.graph.nodes:
        reads = node.all_input_nodes
        reached[node] = max((reached[read] + is_product(read) for read in reads), default=0)
    for node in reversed(draft.graph.nodes):
        movable = node.op == "call_function" and (node.target is not operator.getitem or is_view(node))
        if movable and not is_product(node) and node.users and node not in draft.results:
            reached[node] = max(reached[node], min(reached[user] for user in node.users))
    return {
        node: level
        for node, level in reached.items()
        if node.op == "call_function" and node.target is not whole_of and not is_view(node)
    }


def _is_read_outside(node: fx.Node, inside: set[fx.Node]) -> bool:
    """Whether a node outside the region reads it, directly or through a view."""
    return any(
        user not in inside and (not is_view(user) or _is_read_outside(user, inside)) for user in node.users
    )
