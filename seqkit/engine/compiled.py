"""A body whose pointwise operations are kernels compiled by Inductor, between the matrix products.

    products      ──► h2h(h) ──┐                                    (PyTorch, or oneDNN)
    kernel            x ───────┴──► gates, new memory, new state    (one compiled loop over the numbers)

The graph of a step is cut at its products. What lies between two of them is one region, and becomes one
function, which reads and writes the memory of the loops directly. Inductor keeps what it compiled in its
cache on disk.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, fx
from torch._guards import TracingContext, tracing
from torch._inductor import config
from torch._inductor.compile_fx import compile_fx_inner
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.exc import InvalidCxxCompiler
from torch.fx.experimental.proxy_tensor import make_fx

from seqkit.engine.body import Body, Draft, draft_body, whole_of
from seqkit.engine.graphs import Stage, ancestors, aten, base_of, frontier, is_view
from seqkit.engine.products import packed_product
from seqkit.errors import SplitError

_PRODUCTS: Final = frozenset({aten.mm.default, aten.bmm.default, aten.convolution.default, packed_product})

_SETTINGS: Final = {
    "compile_threads": 1,  # two or three small files: a pool of processes would take longer to start
    "size_asserts": False,  # the executor made the memory: its shapes are those of the graph
    "nan_asserts": False,
    "fallback_random": True,
}


def compile_body(stage: Stage, constants: int, results: int) -> Body:
    """The body of a stage, with its regions compiled; see `draft_body`.

    Raises:
        SplitError: there is no C++ compiler.
    """
    return _Compilation(stage, draft_body(stage, constants, results)).body()


class _Compilation:
    """From a draft to the body that calls its kernels."""

    def __init__(self, stage: Stage, draft: Draft) -> None:
        self._root = stage.run
        self._draft = draft
        self._graph = fx.Graph()
        self._written: set[fx.Node] = set()
        self._read_from: dict[fx.Node, fx.Node] = {}
        self._copies = {
            node: self._graph.placeholder(node.name) for node in draft.graph.find_nodes(op="placeholder")
        }

    def body(self) -> Body:
        draft, graph = self._draft, self._graph
        levels = _levels(draft)
        for level in range(max(levels.values(), default=-1) + 1):
            nodes = [node for node, its in levels.items() if its == level]
            region = [node for node in nodes if node.target not in _PRODUCTS]
            if region:
                self._call_region(region)
            for node in nodes:
                if node.target in _PRODUCTS:
                    self._copies[node] = graph.node_copy(node, self._copy_of)
        for node, destination in draft.writes:
            if destination not in self._written:
                graph.call_method("copy_", (self._copies[destination], self._copy_of(node)))
        graph.output(tuple(self._copy_of(node) for node in draft.results))
        return Body(draft, fx.GraphModule(self._root, graph).forward)

    def _copy_of(self, node: fx.Node) -> fx.Node:
        """The node in the body's graph; a view is taken where it is needed."""
        if node.target is whole_of:
            return self._copy_of(node.all_input_nodes[0])
        if node not in self._copies:
            self._copies[node] = self._graph.node_copy(node, self._copy_of)
        return self._copies[node]

    def _call_region(self, region: list[fx.Node]) -> None:
        """Compile the region, and call it in the body."""
        draft, inside = self._draft, {*region}
        reads = [node for node in frontier(region, inside.__contains__, set()) if node not in inside]
        # One place for each value: given the same one for two, Inductor 2.13 may leave one unwritten.
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
        kernel = _compile(
            fx.GraphModule(self._root, part),
            [self._read_from.get(node, node).meta["val"] for node in arguments],
        )
        called = self._graph.call_function(kernel, ([self._copy_of(node) for node in arguments],))
        for index, node in enumerate(given):
            self._copies[node] = self._graph.call_function(operator.getitem, (called, index))
        for node, destination in writes:
            self._written.add(destination)
            if node not in self._copies:
                self._copies[node] = self._copies[destination]  # it is read from where it was written
                self._read_from[node] = destination
        for node, destination in draft.writes:
            if base_of(node) in inside and destination not in self._written:
                self._written.add(destination)  # before the next product, which may read that memory whole
                self._graph.call_method("copy_", (self._copies[destination], self._copies[written[node]]))


def _levels(draft: Draft) -> dict[fx.Node, int]:
    """For each operation how many products must be done before it, one after the other.

    Operations of one level are one region; one that only later regions read belongs to the first of them.
    Views have no level: they are taken wherever they are needed.
    """
    reached: dict[fx.Node, int] = {}
    for node in draft.graph.nodes:
        reads = node.all_input_nodes
        reached[node] = max((reached[read] + (read.target in _PRODUCTS) for read in reads), default=0)
    for node in reversed(draft.graph.nodes):
        movable = node.op == "call_function" and (node.target is not operator.getitem or is_view(node))
        if movable and node.target not in _PRODUCTS and node.users and node not in draft.results:
            reached[node] = max(reached[node], min(reached[user] for user in node.users))
    return {
        node: level
        for node, level in reached.items()
        if node.op == "call_function" and node.target is not whole_of and not is_view(node)
    }


def _is_read_outside(node: fx.Node, inside: set[fx.Node]) -> bool:
    """Whether a node beyond the region reads it, directly or through a view."""
    return any(
        user not in inside and (not is_view(user) or _is_read_outside(user, inside)) for user in node.users
    )


def _compile(part: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[[list[Tensor]], Sequence[Tensor]]:
    """A function of a list of tensors, by Inductor."""
    mode = inputs[0].fake_mode  # type: ignore[attr-defined]  # they are fake tensors
    try:
        with config.patch(_SETTINGS), torch.no_grad():
            if inputs[0].device.type == "cpu":
                get_cpp_compiler()
            with mode:
                traced = make_fx(part, decomposition_table=select_decomp_table())(*inputs)
            with tracing(TracingContext(mode)):
                compiled = compile_fx_inner(traced, list(inputs))
    except InvalidCxxCompiler as error:
        raise SplitError(
            "engine 'compiled' needs a C++ compiler, and there is none.\n"
            "  Install g++ or clang++, or set CXX to one; or use engine='fused', which needs none."
        ) from error
    # Past the bookkeeping around the generated code, which would cost more than a small kernel.
    inner = getattr(compiled, "current_callable", None) or compiled

    def kernel(arguments: list[Tensor]) -> Sequence[Tensor]:
        result: Sequence[Tensor] = inner(arguments)
        return result

    return inner if hasattr(inner, "__name__") else kernel
