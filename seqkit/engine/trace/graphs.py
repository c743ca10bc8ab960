"""Helpers for graphs of operations: dependencies, subgraphs, kinds of nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.passes.dialect.common.cse_pass import CSEPass
from torch.utils import _pytree as pytree

aten = torch.ops.aten

_VIEWS: Final = frozenset(
    {
        aten.alias.default,
        aten.expand.default,
        aten.permute.default,
        aten.select.int,
        aten.slice.Tensor,
        aten.split.Tensor,
        aten.split_with_sizes.default,
        aten.squeeze.default,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.t.default,
        aten.transpose.int,
        aten.unbind.int,
        aten.unsqueeze.default,
        aten.view.default,
        aten._unsafe_view.default,
    }
)
"""Operations that compute nothing: their result is a view of their input."""


@dataclass(frozen=True)
class Stage:
    """A subgraph: the nodes that it reads, the nodes that it returns, and a module that runs it."""

    inputs: list[fx.Node]
    outputs: list[fx.Node]
    run: fx.GraphModule


def is_view(node: fx.Node) -> bool:
    """Whether the node is a view of its input, or one of several such views."""
    if node.target is operator.getitem:
        return is_view(node.args[0])  # type: ignore[arg-type]  # getitem's first argument is a node
    return node.target in _VIEWS


def is_differentiable(tensor: Tensor) -> bool:
    """Whether the tensor has a dtype with gradients."""
    return tensor.is_floating_point() or tensor.is_complex()


def is_pointwise(node: fx.Node) -> bool:
    """Whether each element of the result depends only on the elements at the same position."""
    return isinstance(node.target, torch._ops.OpOverload) and torch.Tag.pointwise in node.target.tags


def dependents(graph: fx.Graph, sources: Collection[fx.Node]) -> set[fx.Node]:
    """The sources, and every node that is computed from one of them."""
    found = set(sources)
    for node in graph.nodes:
        if any(source in found for source in node.all_input_nodes):
            found.add(node)
    return found


def ancestors(targets: Iterable[fx.Node], ends: Collection[fx.Node] = ()) -> set[fx.Node]:
    """The targets, and every node that one of them is computed from, but none beyond the ends."""
    found: set[fx.Node] = set()
    waiting = list(targets)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            if node not in ends:
                waiting.extend(node.all_input_nodes)
    return found


def frontier(targets: list[fx.Node], belongs: Callable[[fx.Node], bool], ends: set[fx.Node]) -> list[fx.Node]:
    """The nodes that a subgraph reads: those at which it ends, going up from its targets.

    A view is not an end unless it is in `ends`. A view is free on either side, and one array is passed
    instead of its slices.
    """
    found: dict[fx.Node, None] = {}
    waiting, seen = list(reversed(targets)), set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if belongs(node) or (is_view(node) and node not in ends):
            waiting.extend(reversed(node.all_input_nodes))
        else:
            found[node] = None
    return list(found)


def base_of(node: fx.Node) -> fx.Node:
    """The node whose memory this one is a view of; the node itself if it is not a view."""
    while is_view(node):
        node = node.all_input_nodes[0]
    return node


def extract(graph: fx.Graph, inputs: Sequence[fx.Node], outputs: Sequence[fx.Node]) -> Stage:
    """The part of the graph that computes the outputs from the inputs."""
    given = set(inputs)
    needed = ancestors(outputs, given)
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in inputs:
        copies[node] = part.placeholder(node.name)
        copies[node].meta = dict(node.meta)
    for node in graph.nodes:
        if node in needed and node not in given:
            assert node.op != "placeholder", f"{node} is needed and not given"
            copies[node] = part.node_copy(node, copies.__getitem__)
    part.output(tuple(copies[node] for node in outputs))
    return Stage(list(inputs), list(outputs), fx.GraphModule(_constants(graph), part))


def returned(graph: fx.Graph) -> list[fx.Node]:
    """The nodes that the graph returns."""
    outputs: Any = graph.output_node().args[0]  # every graph here returns a list or a tuple of nodes
    return list(outputs)


def without_repetition(traced: fx.GraphModule) -> fx.Graph:
    """The graph without common subexpressions."""
    result: Any = CSEPass()(traced)
    graph: fx.Graph = result.graph_module.graph
    return graph


def insert(graph: fx.Graph, target: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
    """A new node at the graph's insertion point, with a fake tensor of its result."""
    node = graph.call_function(target, args, kwargs)
    values: Any = fx.map_arg((args, kwargs), lambda each: each.meta["val"])
    with fake_mode_of(node.all_input_nodes[0]):
        node.meta["val"] = target(*values[0], **values[1])
    return node


def fake_mode_of(node: fx.Node) -> FakeTensorMode:
    """The mode for making further fake tensors that can be used with the node's."""
    value: Any = pytree.tree_leaves(node.meta["val"])[0]  # some nodes have several results
    mode: FakeTensorMode = value.fake_mode
    return mode


def value_of(node: fx.Node) -> Tensor:
    """The fake tensor that represents a node's result: its shape, dtype and device."""
    value = node.meta["val"]
    assert isinstance(value, Tensor), f"{node} is not a tensor"
    return value


def _constants(graph: fx.Graph) -> torch.nn.Module:
    """The module whose attributes the `get_attr` nodes of the graph read."""
    owner = graph.owning_module
    return owner if owner is not None else torch.nn.Module()


def has_vectors(left: Tensor, right: Tensor) -> bool:
    """Whether a batch of products, `(G, M, K)` times `(G, K, N)`, has M, K or N of 1."""
    return 1 in (*left.shape[1:], right.shape[2])
