"""Resets of rows, as a part of the step.

    state of step t - 1 ──► where(mask of step t, initial state, state) ──► the step

The mask is one more input, and the initial state one more constant: how the forward and the backward loop
treat them follows from the graph.
"""

from __future__ import annotations

import torch
from torch import fx

from seqkit.engine.split.loops import ForwardLoop, forward_loop
from seqkit.engine.trace.graphs import aten, fake_mode_of, insert, value_of


def resettable(loop: ForwardLoop) -> ForwardLoop:
    """The loop with a mask and an initial value for each leaf of the state, after its inputs and constants.

    Args:
        loop: the loop, whose graph is rewritten.
    Returns:
        The loop. A mask is bool, `(batch, 1, ...)` with the axes of the leaf; true where a row is reset.
    """
    graph, masks, initial = loop.graph, [], []
    chosen: dict[fx.Node, fx.Node] = {}
    for leaf in loop.state:
        value = value_of(leaf)
        with graph.inserting_after(leaf):
            start = graph.placeholder(f"{leaf.name}_initial")
            mask = graph.placeholder(f"{leaf.name}_mask")
        with fake_mode_of(leaf):
            start.meta["val"] = torch.empty_like(value)
            mask.meta["val"] = value.new_empty((len(value), *[1] * (value.ndim - 1)), dtype=torch.bool)
        masks.append(mask)
        initial.append(start)
    with graph.inserting_before(next(node for node in graph.nodes if node.op != "placeholder")):
        for leaf, mask, start in zip(loop.state, masks, initial, strict=True):
            readers = list(leaf.users)
            chosen[leaf] = insert(graph, aten.where.self, mask, start, leaf)
            for reader in readers:
                reader.replace_input_with(leaf, chosen[leaf])
    return forward_loop(
        graph,
        constants=[*loop.constants, *initial],
        inputs=[*loop.inputs, *masks],
        state=loop.state,
        new_state=[chosen.get(node, node) for node in loop.new_state],
        emitted=[chosen.get(node, node) for node in loop.emitted],
    )
