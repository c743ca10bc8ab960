"""A body that runs PyTorch's own operations, one after the other; it needs no compiler."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Final

import torch
from torch import fx

from seqkit.engine.run.body import Body, Draft, PythonBody, draft_body, whole_of
from seqkit.engine.run.products import packed_product, packed_product_and_sum
from seqkit.engine.trace.graphs import Stage, aten, value_of

Lower = Callable[[Stage, int], Body]
"""`lower(stage, constants)`: see `draft_body`."""

_PUBLIC: Final = {
    aten.add.Tensor: torch.add,
    aten.addmm.default: torch.addmm,
    aten.bmm.default: torch.bmm,
    aten.cat.default: torch.cat,
    aten.div.Tensor: torch.div,
    aten.embedding.default: torch.embedding,
    aten.exp.default: torch.exp,
    aten.mm.default: torch.mm,
    aten.mul.Tensor: torch.mul,
    aten.neg.default: torch.neg,
    aten.sigmoid.default: torch.sigmoid,
    aten.sub.Tensor: torch.sub,
    aten.tanh.default: torch.tanh,
    aten.where.self: torch.where,
}
"""The same operations as public functions, which take half as long to call."""


def lower(stage: Stage, constants: int, results: int = 0) -> PythonBody:
    """The body of a stage; see `draft_body`."""
    draft = draft_body(stage, constants, results)
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    inner = {node for node in draft.graph.nodes if _is_inner_product(node, draft)}
    for node in draft.graph.nodes:
        if node.op == "placeholder":
            copies[node] = graph.placeholder(node.name)
    for node in draft.graph.nodes:
        if node in inner:
            continue
        if node.target is whole_of:
            copies[node] = copies[node.all_input_nodes[0]]
        elif node.op == "call_function":
            copies[node] = _call(graph, node, copies, inner, draft.written_at(node))
        elif node.op == "get_attr":
            copies[node] = graph.node_copy(node)
    for node, destination in draft.writes:
        if node.op != "call_function":
            graph.call_method("copy_", (copies[destination], copies[node]))
    graph.output(tuple(copies[node] for node in draft.results))
    return PythonBody(draft, fx.GraphModule(stage.run, graph).forward)


def _call(
    graph: fx.Graph,
    node: fx.Node,
    copies: dict[fx.Node, fx.Node],
    inner: Collection[fx.Node],
    destinations: list[fx.Node],
) -> fx.Node:
    """The node in the new graph: a product is fused into its sum, a result is written to its destination."""
    target, args, kwargs = node.target, node.args, node.kwargs
    product = next((read for read in node.all_input_nodes if read in inner), None)
    if product is not None:
        addend = next(read for read in node.all_input_nodes if read is not product)
        target, args = _sum_with(product, addend)
    args, kwargs = fx.map_arg((args, kwargs), copies.__getitem__)
    out = None
    if destinations and isinstance(target, torch._ops.OpOverload) and _can_write(target, destinations[0]):
        out = _out_variant(target)
    if out is not None:
        overload, name = out
        has_public = name == "out" and target != aten.embedding.default  # its public function takes no `out`
        public = _PUBLIC.get(target) if has_public else None  # type: ignore[call-overload]  # an operation
        made = graph.call_function(public or overload, args, {**kwargs, name: copies[destinations[0]]})
        # Later readers use the destination.
        made, destinations = copies[destinations[0]], destinations[1:]
    else:
        made = graph.call_function(_PUBLIC.get(target, target), args, kwargs)  # type: ignore[call-overload]
    for destination in destinations:
        graph.call_method("copy_", (copies[destination], made))
    return made


def _sum_with(product: fx.Node, addend: fx.Node) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """One call for a product and the sum that reads it."""
    if product.target == aten.mm.default:
        return aten.addmm.default, (addend, *product.args)
    if value_of(addend).ndim == 1:
        return packed_product, (*product.args, addend)
    return packed_product_and_sum, (*product.args, addend)


def _is_inner_product(node: fx.Node, draft: Draft) -> bool:
    """Whether the node is a matrix product that only a sum reads, so that both are one call."""
    if node.target not in (aten.mm.default, packed_product) or len(node.users) != 1:
        return False
    if node in draft.results or draft.written_at(node):
        return False
    user = next(iter(node.users))
    if user.target != aten.add.Tensor or user.kwargs or len(user.all_input_nodes) != 2:
        return False
    addend = next(read for read in user.all_input_nodes if read is not node)
    if addend.target == node.target and len(addend.users) == 1 and user.all_input_nodes[1] is node:
        return False  # of two products, the first is fused
    shape = value_of(node).shape
    same = {value_of(read).dtype for read in (*user.all_input_nodes, user)}
    return len(same) == 1 and value_of(user).shape == shape and value_of(addend).shape in (shape, shape[1:])


def _can_write(target: torch._ops.OpOverload, destination: fx.Node) -> bool:
    """Whether the operation respects the strides of such memory: some write as if it were contiguous.

    In torch 2.13 softmax is one of these, for its rows.
    """
    products = (aten.mm.default, aten.addmm.default, aten.bmm.default)
    return torch.Tag.pointwise in target.tags or target in products or value_of(destination).is_contiguous()


@cache
def _out_variant(target: torch._ops.OpOverload) -> tuple[torch._ops.OpOverload, str] | None:
    """The overload that writes its only result to given memory, and the name of that argument."""
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
