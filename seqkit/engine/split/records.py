"""What the forward loop saves for the backward loop: the fewest bytes from which the rest can be recomputed.

A product is saved, or a value computed from it. So is a mean over the numbers of a row, which is small.
Pointwise values are cheap and are recomputed. The choice is a min-cut: from the products and inputs, whose
values are lost unless something on the way is saved, to the values that the backward loop reads.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable
from typing import Any, Final

import networkx
from torch import Tensor, fx

from seqkit.engine.trace.graphs import aten, is_pointwise, is_view

_CHEAP: Final = frozenset(
    {
        aten._softmax.default,
        aten.cat.default,
        aten.clone.default,
        aten._to_copy.default,
        aten.embedding.default,
    }
)
"""Recomputed instead of saved, besides pointwise operations and views."""

_IN, _OUT = "in", "out"


def choose_records(
    needed: Iterable[fx.Node], *, given: Collection[fx.Node], lost: Collection[fx.Node]
) -> list[fx.Node]:
    """The nodes to save, in the order of the graph.

    Args:
        needed: nodes that are read again.
        given: nodes that are available anyway: states, emitted values, and those constant over all steps.
        lost: nodes that are lost after the loop unless they are saved: the core's inputs.
    """
    flow: Any = networkx.DiGraph()
    waiting, seen = [node for node in needed if node not in given], set()
    for node in waiting:
        flow.add_edge((node, _OUT), "needed")  # no capacity is infinite capacity: it cannot be cut
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        value = node.meta["val"]
        capacity = {"capacity": value.numel() * value.element_size()} if isinstance(value, Tensor) else {}
        flow.add_edge((node, _IN), (node, _OUT), **capacity)
        if node in lost or not _is_cheap(node):
            flow.add_edge("computed", (node, _IN))
            continue
        for source in node.all_input_nodes:
            if source not in given:
                flow.add_edge((source, _OUT), (node, _IN))
                waiting.append(source)
    if "computed" not in flow:
        return []
    # Of cuts of equal size this is the one nearest to `needed`, so that the least is recomputed.
    _, (near_computed, _) = networkx.minimum_cut(flow, "computed", "needed")
    cut = {node for node in seen if (node, _IN) in near_computed and (node, _OUT) not in near_computed}
    return sorted(cut)


def _is_cheap(node: fx.Node) -> bool:
    return is_pointwise(node) or is_view(node) or node.target is operator.getitem or node.target in _CHEAP
