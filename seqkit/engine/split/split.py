"""The split: which operations of a step depend on the state, and which do not.

         weights ──► constants ─────────┬───────────────┬──────────────┐   once per unroll
                                        ▼               ▼              ▼
         x of all steps ───────────► before ────────► core ────────► after ──► outputs
                                   all at once     step by step    all at once
                                                    ▲       │
                                                    └ state ┘

An operation belongs to `constants` if it reads weights only; to `before` if it reads the input as well; to
`core` if it reads the state and the next state needs it; to `after` if it reads the state and only the
output needs it.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from seqkit.engine.split.emitting import reading_nodes
from seqkit.engine.split.loops import ForwardLoop, forward_loop
from seqkit.engine.split.sums import regroup_sums
from seqkit.engine.trace.graphs import (
    Stage,
    ancestors,
    aten,
    dependents,
    extract,
    fake_mode_of,
    frontier,
    insert,
    is_pointwise,
    returned,
    value_of,
)
from seqkit.engine.trace.trace import StepGraph

_MOST_IDS: Final = 16
"""With more than this many ids per row of a batch, computing something once for each id takes longer."""


@dataclass(frozen=True)
class Split:
    """The four parts of a step.

    Attributes:
        constants: weights -> what the other parts read of them.
        before: x, constants -> what core and after read of the input; for all steps at once.
        core: inputs, constants, state -> new state, emitted; step by step.
        after: emitted, inputs, constants -> output; for all steps at once.
        step: constants, x, state -> output, new state; the undivided step, for running one step at a time.
    """

    constants: Stage
    before: Stage
    core: ForwardLoop
    after: Stage
    step: Stage


def split_step(step: StepGraph, *, ids: bool, table: fx.Node | None = None) -> Split:
    """Cut the graph of a step into its four parts.

    Args:
        step: the traced step; its graph is rewritten.
        ids: whether the input is ids: the product of a one-hot row and a matrix is a row of the matrix.
        table: the weight whose rows the ids index, if there is one; it is not a part of the step yet.
    """
    graph = step.graph
    constant, waits = _kinds(graph, step.x, step.state)
    regroup_sums(graph, [constant, {*graph.nodes} - constant - waits])
    x = step.x
    if table is not None:
        x = _gather_from(graph, step.x, table, constant)
    elif ids:
        x = _gather_rows(graph, step.x, constant)
    constant, waits = _kinds(graph, x, step.state)
    output, *new_state = returned(graph)

    in_core = ancestors(new_state) & waits - {*step.state}
    after = ancestors([output]) & waits - in_core - {*step.state}
    in_core |= reading_nodes([output], {*in_core, *step.state}, after)
    read_after = frontier([output], lambda node: node in waits - in_core - {*step.state}, constant)
    emitted = [node for node in read_after if node in waits]
    # A row of a constant matrix is as cheap as a view: each step looks up its own row where it reads it.
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
    """The nodes that are the same at every step, and those that depend on the state."""
    nodes = {node for node in graph.nodes if node.op != "output"}
    waits = dependents(graph, {*state}) & nodes
    return nodes - waits - dependents(graph, {x}), waits


def _ids_for(graph: fx.Graph, x: fx.Node) -> fx.Node:
    """A placeholder for the ids whose rows are `x`."""
    with graph.inserting_after(x):
        ids = graph.placeholder("ids")
    with fake_mode_of(x):
        ids.meta["val"] = torch.empty(len(value_of(x)), dtype=torch.int64, device=value_of(x).device)
    return ids


def _gather_from(graph: fx.Graph, x: fx.Node, table: fx.Node, constant: Collection[fx.Node]) -> fx.Node:
    """Replace the rows `x` of the table by a lookup of ids; return the placeholder of the ids."""
    ids = _ids_for(graph, x)
    for user in list(x.users):
        with graph.inserting_before(user):
            gathered = insert(graph, aten.embedding.default, table, ids)
        user.replace_input_with(x, gathered)
        _compute_before_gathering(graph, gathered, constant)
    return ids


def _gather_rows(graph: fx.Graph, x: fx.Node, constant: Collection[fx.Node]) -> fx.Node:
    """Replace the one-hot rows `x` by a lookup of ids; return the placeholder of the ids."""
    features = value_of(x).shape[1]
    ids = _ids_for(graph, x)
    casts = [node for node in x.users if node.target == aten._to_copy.default]  # autocast's: one-hot as well
    for node in [user for rows in (x, *casts) for user in rows.users]:
        is_product = node.target == aten.mm.default and node.args[0] in (x, *casts)
        if is_product and not value_of(node).is_complex():  # PyTorch has no derivative for complex rows
            with graph.inserting_before(node):
                matrix = insert(
                    graph, aten.clone.default, node.args[1], memory_format=torch.contiguous_format
                )
                gathered = insert(graph, aten.embedding.default, matrix, ids)
                node.replace_all_uses_with(gathered)
            graph.erase_node(node)
            _compute_before_gathering(graph, gathered, constant)
    graph.eliminate_dead_code()
    if x.users:
        with graph.inserting_before(next(node for node in graph.nodes if node.op == "call_function")):
            dtype, device = value_of(x).dtype, value_of(x).device
            eye = graph.call_function(aten.eye.default, (features,), {"dtype": dtype, "device": device})
            with fake_mode_of(x):
                eye.meta["val"] = torch.eye(features, dtype=dtype, device=device)
            x.replace_all_uses_with(insert(graph, aten.embedding.default, eye, ids))
    return ids


def _compute_before_gathering(graph: fx.Graph, rows: fx.Node, constant: Collection[fx.Node]) -> None:
    """Move operations on each gathered row alone to the matrix, so that they run once for each id."""
    matrix: Any = rows.args[0]
    while len(value_of(matrix)) <= _MOST_IDS * len(value_of(rows)) and (user := _row_wise(rows, constant)):
        user.prepend(rows)  # after everything that the user reads
        with graph.inserting_before(rows):
            reads = {**{read: read for read in user.all_input_nodes}, rows: matrix}
            args = fx.map_arg(user.args, reads.__getitem__)
            matrix = insert(graph, user.target, *args, **user.kwargs)  # type: ignore[arg-type]  # a function
            if user.target == aten.native_layer_norm.default:
                matrix = insert(graph, operator.getitem, matrix, 0)
                (user,) = user.users
        rows.update_arg(0, matrix)
        rows.meta["val"] = value_of(user)
        user.replace_all_uses_with(rows)
        graph.eliminate_dead_code()


def _row_wise(rows: fx.Node, constant: Collection[fx.Node]) -> fx.Node | None:
    """The only user of the rows, if each row of its result depends on the same row and on constants only."""
    user = next(iter(rows.users), None)
    if user is None or len(rows.users) > 1:
        return None
    results = pytree.tree_leaves(user.meta.get("val"))
    if any(isinstance(each, Tensor) and each.is_complex() for each in results):
        return None
    others = [read for read in user.all_input_nodes if read is not rows]
    if any(read not in constant for read in others):
        return None
    if user.target == aten.mm.default and user.args[0] is rows:
        return user
    if any(value_of(read).ndim > 1 for read in others):
        return None
    if user.target == aten.native_layer_norm.default:
        normalized: Any = user.args[1]
        first = [result.args[1] for result in user.users] == [0]
        return user if first and len(normalized) == 1 else None
    return user if is_pointwise(user) and value_of(user).shape == value_of(rows).shape else None
