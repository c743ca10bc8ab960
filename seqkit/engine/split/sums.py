"""Regrouping the sums in a step: terms that do not depend on the state are added first.

    i2h(x) + (h2h(h) + bias)     becomes     (i2h(x) + bias) + h2h(h)

so that the terms in brackets can be computed for all steps at once, and one `addmm` is left in the loop.
"""

from __future__ import annotations

from collections.abc import Collection

from torch import fx

from seqkit.engine.trace.graphs import aten, insert, value_of


def regroup_sums(graph: fx.Graph, groups: list[Collection[fx.Node]]) -> None:
    """Rewrite every sum so that addends of an earlier group are added before those of a later one.

    Args:
        graph: the graph, changed in place. `addmm` becomes a product and a sum.
        groups: sets of nodes; a node belongs to the first that contains it, any other to one more at the end.
            New nodes are added to the set of their group.
    """
    for node in list(graph.nodes):
        if node.target == aten.addmm.default and not node.kwargs:
            _open(graph, node, groups)
    for node in list(graph.nodes):
        if is_sum(node) and not _inside_a_sum(node):
            _regroup(graph, node, groups)
    graph.eliminate_dead_code()


def is_sum(node: fx.Node) -> bool:
    """Whether the node adds two tensors of one dtype."""
    return (
        node.target == aten.add.Tensor
        and not node.kwargs
        and all(isinstance(arg, fx.Node) for arg in node.args)
        and all(value_of(arg).dtype == value_of(node).dtype for arg in node.all_input_nodes)
    )


def _inside_a_sum(node: fx.Node) -> bool:
    return len(node.users) == 1 and is_sum(next(iter(node.users)))


def _open(graph: fx.Graph, node: fx.Node, groups: list[Collection[fx.Node]]) -> None:
    """addmm(bias, a, b) becomes mm(a, b) + bias."""
    bias, a, b = node.args
    with graph.inserting_before(node):
        product = _made(graph, groups, aten.mm.default, a, b)
        node.replace_all_uses_with(_made(graph, groups, aten.add.Tensor, product, bias))
    graph.erase_node(node)


def _regroup(graph: fx.Graph, root: fx.Node, groups: list[Collection[fx.Node]]) -> None:
    addends = _addends(root)
    if len(addends) < 3 or len({_group(node, groups) for node in addends}) < 2:
        return
    ordered = sorted(addends, key=lambda node: _group(node, groups))  # stable: within a group as written
    with graph.inserting_before(root):
        total = ordered[0]
        for addend in ordered[1:]:
            total = _made(graph, groups, aten.add.Tensor, total, addend)
    root.replace_all_uses_with(total)


def _addends(node: fx.Node) -> list[fx.Node]:
    """The terms of a sum; nested sums that are used only here are flattened."""
    terms = []
    for arg in node.all_input_nodes if len(node.all_input_nodes) == 2 else [*node.all_input_nodes] * 2:
        terms.extend(_addends(arg) if is_sum(arg) and len(arg.users) == 1 else [arg])
    return terms


def _group(node: fx.Node, groups: list[Collection[fx.Node]]) -> int:
    return next((index for index, group in enumerate(groups) if node in group), len(groups))


def _made(graph: fx.Graph, groups: list[Collection[fx.Node]], target: object, *args: object) -> fx.Node:
    """A new node, in the group of the latest of its arguments."""
    node = insert(graph, target, *args)  # type: ignore[arg-type]  # an operation
    index = max(_group(arg, groups) for arg in node.all_input_nodes)
    if index < len(groups):
        groups[index].add(node)  # type: ignore[attr-defined]  # sets
    return node
