"""The split: which operations of a step must wait for the state, and which need not.

         weights ──► constants ─────────┬───────────────┬──────────────┐   once an unroll
                                        ▼               ▼              ▼
         x of all steps ───────────► before ────────► core ────────► after ──► outputs
                                   all at once     step by step    all at once
                                                    ▲       │
                                                    └ state ┘

An operation belongs to `constants` where it reads weights only; to `before` where it reads the input
as well; to `core` where it reads the state and the next state needs it; to `after` where it reads the
state and only the output needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import fx

from seqkit.engine.graphs import (
    Stage,
    ancestors,
    aten,
    dependents,
    extract,
    fake_mode_of,
    frontier,
    insert,
    is_view,
    returned,
    value_of,
)
from seqkit.engine.loops import ForwardLoop, forward_loop
from seqkit.engine.sums import is_sum, regroup_sums
from seqkit.engine.trace import StepGraph


@dataclass(frozen=True)
class Split:
    """The four parts of a step.

    Attributes:
        constants: weights -> what the other parts read of them.
        before: x, constants -> what core and after read of the input; for all steps at once.
        core: inputs, constants, state -> new state, emitted; step by step.
        after: emitted, inputs, constants -> output; for all steps at once.
        step: constants, x, state -> output, new state; undivided, where steps come one at a time.
    """

    constants: Stage
    before: Stage
    core: ForwardLoop
    after: Stage
    step: Stage


def split_step(step: StepGraph, *, ids: bool) -> Split:
    """Cut the graph of a step into its four parts.

    Args:
        step: the traced step; its graph is rewritten.
        ids: the input is ids: the product of a one-hot row and a matrix is a row of the matrix.
    """
    graph = step.graph
    constant, waits = _kinds(graph, step.x, step.state)
    regroup_sums(graph, [constant, {*graph.nodes} - constant - waits])
    x = _gather_rows(graph, step.x) if ids else step.x
    _own_memory(graph, *_kinds(graph, x, step.state))
    constant, waits = _kinds(graph, x, step.state)
    output, *new_state = returned(graph)

    in_core = ancestors(new_state) & waits - {*step.state}
    read_after = frontier([output], lambda node: node in waits - in_core - {*step.state}, constant)
    emitted = [node for node in read_after if node in waits]
    # A row of a constant matrix costs as little as a view: each step takes its own, where it reads it.
    gathered = {node for node in graph.nodes if node.target == aten.embedding.default and node.args[1] is x}
    read_in_core = frontier(
        [*new_state, *emitted], (in_core | gathered - constant).__contains__, constant | {*step.state}
    )
    read_in_core = [node for node in read_in_core if node not in step.state]
    inputs = [node for node in read_in_core if node not in constant]
    from_before = list(
        dict.fromkeys([*inputs, *(n for n in read_after if n not in constant and n not in waits)])
    )
    computed = [node for node in from_before if node is not x]
    read_before = frontier(computed, lambda node: node not in constant and node is not x, constant)

    core_constants = [node for node in read_in_core if node in constant]
    shared = dict.fromkeys(node for node in [*read_before, *core_constants, *read_after] if node in constant)
    return Split(
        constants=extract(graph, step.weights, list(shared)),
        before=extract(graph, [x, *(node for node in read_before if node in constant)], computed),
        core=forward_loop(
            graph,
            constants=core_constants,
            inputs=inputs,
            state=step.state,
            new_state=new_state,
            emitted=emitted,
        ),
        after=extract(graph, read_after, [output]),
        step=extract(graph, [*shared, x, *step.state], [output, *new_state]),
    )


def _kinds(graph: fx.Graph, x: fx.Node, state: Iterable[fx.Node]) -> tuple[set[fx.Node], set[fx.Node]]:
    """The nodes that are the same at every step, and those that wait for the state."""
    nodes = {node for node in graph.nodes if node.op != "output"}
    waits = dependents(graph, {*state}) & nodes
    return nodes - waits - dependents(graph, {x}), waits


def _gather_rows(graph: fx.Graph, x: fx.Node) -> fx.Node:
    """Put ids in the place of their one-hot rows `x`; the placeholder of the ids is returned."""
    rows, features = value_of(x).shape
    with graph.inserting_after(x):
        ids = graph.placeholder("ids")
    with fake_mode_of(x):
        ids.meta["val"] = torch.empty(rows, dtype=torch.int64, device=value_of(x).device)
    casts = [node for node in x.users if node.target == aten._to_copy.default]  # autocast's: one-hot as well
    for node in [user for rows in (x, *casts) for user in rows.users]:
        if node.target == aten.mm.default and node.args[0] in (x, *casts):
            with graph.inserting_before(node):
                matrix = insert(
                    graph, aten.clone.default, node.args[1], memory_format=torch.contiguous_format
                )
                node.replace_all_uses_with(insert(graph, aten.embedding.default, matrix, ids))
            graph.erase_node(node)
            _add_to_rows(graph, matrix)
    for cast in casts:
        if not cast.users:
            graph.erase_node(cast)
    if x.users:
        with graph.inserting_before(next(node for node in graph.nodes if node.op == "call_function")):
            dtype, device = value_of(x).dtype, value_of(x).device
            eye = graph.call_function(aten.eye.default, (features,), {"dtype": dtype, "device": device})
            with fake_mode_of(x):
                eye.meta["val"] = torch.eye(features, dtype=dtype, device=device)
            x.replace_all_uses_with(insert(graph, aten.embedding.default, eye, ids))
    return ids


def _add_to_rows(graph: fx.Graph, matrix: fx.Node) -> None:
    """A row plus a vector is a row of the matrix to which the vector was added."""
    (rows,) = matrix.users
    if len(rows.users) != 1:
        return
    total = next(iter(rows.users))
    vector = next((read for read in total.all_input_nodes if read is not rows), None)
    if vector is None or not is_sum(total) or value_of(vector).ndim != 1 or vector.op != "placeholder":
        return
    with graph.inserting_before(rows):
        moved = insert(graph, aten.add.Tensor, matrix, vector)
    rows.replace_input_with(matrix, moved)
    total.replace_all_uses_with(rows)
    graph.erase_node(total)


def _own_memory(graph: fx.Graph, constant: set[fx.Node], waits: set[fx.Node]) -> None:
    """A constant that the loop reads through a view, as a transposed matrix, gets memory of its own.

    It is copied once an unroll and read at every step; a product with it is faster by a third and more.
    """
    for node in list(graph.nodes):
        readers = [user for user in node.users if user in waits]
        if node in constant and is_view(node) and readers and not _is_contiguous(node):
            with graph.inserting_after(node):
                copy = insert(graph, aten.clone.default, node, memory_format=torch.contiguous_format)
            for reader in readers:
                reader.replace_input_with(node, copy)


def _is_contiguous(node: fx.Node) -> bool:
    value = node.meta["val"]
    return not isinstance(value, torch.Tensor) or value.is_contiguous()
