"""What a loop emits of a large state: the few numbers that are read from it, not the state itself.

    matrix memory C of each row ──► C q ──► readout
                                ▲
                                └ a cut here emits C, which is many times larger than C q

An operation that only reads the state is computed after the loop, for all steps at once. That is right for a
product with a weight, and if little is emitted. A matrix memory, however, would be read again as a whole for
every step, and its gradient written. Where to cut between the loop and what follows is a min-cut over bytes.
The backward loop, which carries the gradient of C and emits what the key's gradient needs of it, is cut in
the same way.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import networkx
from torch import Tensor, fx

from seqkit.engine.trace.graphs import aten, base_of, has_vectors, is_pointwise, is_view

MIN_SAVED_BYTES: Final = 1 << 17
"""Bytes per step: if less is saved, an operation for all steps at once is cheaper than one in the loop."""

_CHEAP: Final = frozenset({aten.sum.dim_IntList, aten.mean.dim, aten.amax.default, aten.clone.default})

_IN, _OUT = "in", "out"


def reading_nodes(
    outputs: Collection[fx.Node], loop: Collection[fx.Node], after: Collection[fx.Node]
) -> set[fx.Node]:
    """The nodes to move into the loop, so that it emits less.

    Args:
        outputs: the required results of `after`.
        loop: what the loop carries, and the nodes that the next step needs.
        after: the nodes that depend on what is carried, and that only the outputs need.
    """
    flow: Any = networkx.DiGraph()
    emitted = {base_of(read) for node in after for read in node.all_input_nodes if base_of(read) in loop}
    for node in [*emitted, *after]:
        flow.add_edge((node, _IN), (node, _OUT), capacity=_bytes_of(base_of(node)))
        if node in emitted:
            flow.add_edge("loop", (node, _IN))
            continue
        if not _is_cheap(node):
            flow.add_edge((node, _IN), "after")  # no capacity is infinite capacity: it cannot be cut
        for read in node.all_input_nodes:
            source = base_of(read) if base_of(read) in emitted else read
            if source in emitted or source in after:
                flow.add_edge((source, _OUT), (node, _IN))
                flow.add_edge((node, _IN), (source, _IN))  # its inputs are then in the loop as well
    for node in outputs:
        if node in after:
            flow.add_edge((node, _OUT), "after")
    if "loop" not in flow or "after" not in flow:
        return set()
    now = sum(_bytes_of(node) for node in emitted)
    least, (near_loop, _) = networkx.minimum_cut(flow, "loop", "after")
    if now - least < max(MIN_SAVED_BYTES, least):
        return set()
    return {node for node in after if (node, _IN) in near_loop}


def _is_cheap(node: fx.Node) -> bool:
    """Whether a step may compute it in the loop: it is not a product with a weight matrix."""
    if node.target == aten.bmm.default:
        return has_vectors(*(read.meta["val"] for read in node.all_input_nodes))
    return is_pointwise(node) or is_view(node) or node.target in _CHEAP


def _bytes_of(node: fx.Node) -> int:
    value = node.meta["val"]
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 1 << 40
