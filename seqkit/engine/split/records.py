"""What the forward loop keeps for the backward one: the fewest bytes from which the rest can be computed.

A product is kept, or what was computed from it, and so is a mean over the numbers of a row, which is small;
pointwise values are cheap and are computed again. Which of them to keep is a minimum cut: from the products
and inputs, whose values are lost unless something on the way is kept, to the values that the backward loop
reads.
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
"""Computed again rather than kept, besides pointwise operations and views."""

_IN, _OUT = "in", "out"


def choose_records(
    needed: Iterable[fx.Node], *, given: Collection[fx.Node], lost: Collection[fx.Node]
) -> list[fx.Node]:
    """The nodes to keep, in the order of the graph.

    Args:
        needed: what is read again.
        given: what is there anyway: the states, what is emitted, what is the same at every step.
        lost: what is gone after the loop unless it is kept: the core's inputs.
    """
    flow: Any = networkx.DiGraph()
    waiting, seen = [node for node in needed if node not in given], set()
    for node in waiting:
        flow.add_edge((node, _OUT), "needed")  # an edge without capacity cannot be cut
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
    # Of cuts of equal size this is the one nearest to what is needed, so the least is computed again.
    _, (near_computed, _) = networkx.minimum_cut(flow, "computed", "needed")
    cut = {node for node in seen if (node, _IN) in near_computed and (node, _OUT) not in near_computed}
    return sorted(cut)


def _is_cheap(node: fx.Node) -> bool:
    return is_pointwise(node) or is_view(node) or node.target is operator.getitem or node.target in _CHEAP
