"""From the graph of a loop's body to a Python function that runs it, one operation after the other.

The function gets, for each step, views of memory that is there already, and writes its results into it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, Final

import torch
from torch import fx

from seqkit.engine.graphs import Stage, aten, value_of

Body = Callable[..., tuple[Any, ...]]
"""`body(*inputs, *destinations) -> results`: one step."""

Lower = Callable[[Stage, Collection[int]], Body]
"""`lower(stage, written)`: outputs at the positions `written` go to destinations, the others are results."""

_PUBLIC: Final = {
    aten.add.Tensor: torch.add,
    aten.addmm.default: torch.addmm,
    aten.bmm.default: torch.bmm,
    aten.cat.default: torch.cat,
    aten.div.Tensor: torch.div,
    aten.exp.default: torch.exp,
    aten.mm.default: torch.mm,
    aten.mul.Tensor: torch.mul,
    aten.neg.default: torch.neg,
    aten.sigmoid.default: torch.sigmoid,
    aten.sub.Tensor: torch.sub,
    aten.tanh.default: torch.tanh,
    aten.where.self: torch.where,
}
"""The same operations by their public names; calling them so takes half as long."""


def lower(stage: Stage, written: Collection[int]) -> Body:
    """A body of PyTorch's own operations; needs no compiler."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    source = stage.run.graph
    results: list[fx.Node] = list(source.output_node().args[0])  # type: ignore[arg-type]  # a tuple of nodes
    for node in source.find_nodes(op="placeholder"):
        copies[node] = graph.placeholder(node.name)
    destinations: dict[fx.Node, list[fx.Node]] = {}
    for index in sorted(written):
        destinations.setdefault(results[index], []).append(graph.placeholder(f"destination_{index}"))
    inner = {node for node in source.nodes if _is_inner_product(node, results)}
    for node in source.nodes:
        if node.op in ("get_attr", "call_function") and node not in inner:
            copies[node] = _copy(graph, node, copies, inner, destinations.get(node, []))
        elif node.op == "placeholder":
            for destination in destinations.get(node, []):
                graph.call_method("copy_", (destination, copies[node]))
    graph.output(tuple(copies[node] for index, node in enumerate(results) if index not in written))
    return fx.GraphModule(stage.run, graph).forward  # type: ignore[no-any-return]  # the function of the module


def _copy(
    graph: fx.Graph,
    node: fx.Node,
    copies: dict[fx.Node, fx.Node],
    inner: Collection[fx.Node],
    destinations: list[fx.Node],
) -> fx.Node:
    """The node in the new graph: a sum takes in its product, and a result is written where it belongs."""
    if node.op == "get_attr":
        return graph.node_copy(node)
    target, args, kwargs = node.target, node.args, node.kwargs
    product = next((read for read in node.all_input_nodes if read in inner), None)
    if product is not None:
        addend = next(read for read in node.all_input_nodes if read is not product)
        target, args = aten.addmm.default, (addend, *product.args)
    args, kwargs = fx.map_arg((args, kwargs), copies.__getitem__)
    out = _out_variant(target) if destinations and isinstance(target, torch._ops.OpOverload) else None
    if out is not None:
        overload, name = out
        public = _PUBLIC.get(target) if name == "out" else None  # type: ignore[call-overload]  # an operation
        made = graph.call_function(public or overload, args, {**kwargs, name: destinations[0]})
        made, rest = destinations[0], destinations[1:]
    else:
        made = graph.call_function(_PUBLIC.get(target, target), args, kwargs)  # type: ignore[call-overload]
        rest = destinations
    for destination in rest:
        graph.call_method("copy_", (destination, made))
    return made


def _is_inner_product(node: fx.Node, results: Collection[fx.Node]) -> bool:
    """Whether the node is a matrix product that only a sum reads, so that both are one `addmm`."""
    if node.target != aten.mm.default or len(node.users) != 1 or node in results:
        return False
    user = next(iter(node.users))
    if user.target != aten.add.Tensor or user.kwargs or len(user.all_input_nodes) != 2:
        return False
    addend = next(read for read in user.all_input_nodes if read is not node)
    if addend.target == aten.mm.default and len(addend.users) == 1 and user.all_input_nodes[1] is node:
        return False  # of two products, the first is taken in
    same = {value_of(read).dtype for read in (*user.all_input_nodes, user)}
    return len(same) == 1 and value_of(node).shape == value_of(user).shape


@lru_cache(maxsize=None)
def _out_variant(target: torch._ops.OpOverload) -> tuple[torch._ops.OpOverload, str] | None:
    """The overload that writes its one result to given memory, and the name of that argument."""
    wanted = [(arg.name, str(arg.type)) for arg in target._schema.arguments]
    if len(target._schema.returns) != 1:
        return None
    packet = target.overloadpacket
    for name in packet.overloads():
        overload = getattr(packet, name)
        outs = [arg.name for arg in overload._schema.arguments if arg.is_out]
        plain = [(arg.name, str(arg.type)) for arg in overload._schema.arguments if not arg.is_out]
        if len(outs) == 1 and plain == wanted:
            return overload, outs[0]
    return None
