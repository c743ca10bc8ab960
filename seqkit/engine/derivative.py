"""The core's derivative: the joint graph of a step and its vector-Jacobian product, cut for the two loops.

Going backwards, an operation waits for the gradient of the state as, going forwards, it waits for the
state. Only what leads from the gradient of the new state to that of the old one stays in the loop. The
gradients of weights are sums over all steps, so they are products over batch x time after the loop.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch._decomp import get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from seqkit.engine.graphs import (
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
    without_repetition,
)
from seqkit.engine.loops import BackwardLoop, ForwardLoop, forward_loop, nodes_of
from seqkit.engine.records import choose_records

_DECOMPOSED = (
    aten.addmm,
    aten.native_layer_norm_backward,
    aten.native_group_norm,
    aten.native_group_norm_backward,
)
"""Derivatives of several results in one operation, some of them a weight's: these must come apart."""


def differentiate(core: ForwardLoop, wanted: Sequence[bool]) -> tuple[ForwardLoop, BackwardLoop]:
    """The core's loop with what must be recorded, and the loop backwards.

    Args:
        core: of the split.
        wanted: for each input and each constant of the core whether its gradient is asked for. That
            of a floating state always is.
    """
    given = [*core.inputs, *core.constants, *core.state]
    results = [*core.new_state, *core.emitted]
    values, outputs = [value_of(node) for node in given], [value_of(node) for node in results]
    step = extract(core.graph, given, results).run
    wants = [*wanted, *[True] * len(core.state)]
    asked = [index for index, value in enumerate(values) if wants[index] and value.is_floating_point()]
    floats = [index for index, value in enumerate(outputs) if value.is_floating_point()]

    def joint(values: list[Tensor], cotangents: list[Tensor]) -> list[Any]:
        def of_asked(*variables: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            inner = list(values)
            for index, variable in zip(asked, variables, strict=True):
                inner[index] = variable
            found = step(*inner)
            return tuple(found[index] for index in floats), tuple(found)

        asked_values = [values[index] for index in asked]
        _, pull_back, found = torch.func.vjp(of_asked, *asked_values, has_aux=True)  # type: ignore[misc]
        return [*found, *pull_back(tuple(cotangents))]

    with fake_mode_of(given[0]), torch.no_grad():
        decompositions: Any = get_decompositions(_DECOMPOSED)
        traced = make_fx(joint, decomposition_table=decompositions)(
            [torch.empty_like(value) for value in values],
            [torch.empty_like(outputs[index]) for index in floats],
        )
    graph = _tidy(traced)
    placeholders = graph.find_nodes(op="placeholder")
    given_back = returned(graph)
    d_results = dict(zip(floats, placeholders[len(values) :], strict=True))
    gradients = dict(zip(asked, given_back[len(results) :], strict=True))
    backwards = dependents(graph, {*d_results.values()})
    # What no gradient reaches is zero.
    d_given = [node if (node := gradients.get(i)) in backwards else None for i in range(len(given))]
    i, c, s = len(core.inputs), len(core.inputs) + len(core.constants), len(core.new_state)
    return _cut(
        graph,
        inputs=placeholders[:i],
        constants=placeholders[i:c],
        state=placeholders[c : len(values)],
        new_state=given_back[:s],
        emitted=given_back[s : len(results)],
        d_new_state=[d_results.get(index) for index in range(s)],
        d_emitted=[d_results.get(index) for index in range(s, len(results))],
        d_inputs=d_given[:i],
        d_constants=d_given[i:c],
        d_state=d_given[c:],
    )


def _tidy(traced: fx.GraphModule) -> fx.Graph:
    """The graph without the detached copies that differentiating leaves, and with nothing computed twice."""
    for node in traced.graph.find_nodes(op="call_function", target=aten.detach.default):
        node.replace_all_uses_with(node.args[0])
    traced.graph.eliminate_dead_code()
    return without_repetition(traced)


def _cut(
    graph: fx.Graph,
    *,
    inputs: list[fx.Node],
    constants: list[fx.Node],
    state: list[fx.Node],
    new_state: list[fx.Node],
    emitted: list[fx.Node],
    d_new_state: list[fx.Node | None],
    d_emitted: list[fx.Node | None],
    d_inputs: list[fx.Node | None],
    d_constants: list[fx.Node | None],
    d_state: list[fx.Node | None],
) -> tuple[ForwardLoop, BackwardLoop]:
    """Cut the joint graph: what is recorded, what the backward loop does, what is left for after it."""
    arriving = {*nodes_of(d_new_state), *nodes_of(d_emitted)}
    nodes = {node for node in graph.nodes if node.op != "output"}
    fixed = nodes - dependents(graph, {*inputs, *state, *arriving})
    backwards = dependents(graph, arriving) & nodes
    carried = nodes_of(d_new_state)
    before_step = [_or_zero(graph, d_state[j], d) for j, d in enumerate(d_new_state) if d is not None]
    results = [*nodes_of(d_inputs), *nodes_of(d_constants)]

    in_loop = ancestors(before_step) & (backwards | {*before_step}) | {*carried}
    # What only joins values of the loop belongs to it, and is written there as one, else it would be copied;
    # so does each result of an operation that has several.
    for node in graph.nodes:
        joins = node.target == aten.cat.default or (node.target is operator.getitem and not is_view(node))
        if joins and {*node.all_input_nodes} <= in_loop:
            in_loop.add(node)
    finishing = ancestors(results) & backwards - in_loop
    kept = [
        node
        for node in frontier(results, finishing.__contains__, fixed)
        if node in in_loop - {*nodes_of(d_emitted)}
    ]

    there = {*state, *new_state, *emitted} - fixed
    needed = {read for node in in_loop | finishing for read in node.all_input_nodes if read not in backwards}
    recorded = choose_records(needed, given=there | fixed, lost=inputs)

    def reads(targets: list[fx.Node], ends: set[fx.Node]) -> list[fx.Node]:
        return frontier(targets, lambda node: node not in ends, ends)

    known = there | {*recorded} | {*nodes_of(d_emitted)}
    loop_reads = reads([*before_step, *kept], fixed | known | {*carried})
    finish_reads = reads(results, fixed | known | {*kept})
    again = [node for node in dict.fromkeys([*loop_reads, *finish_reads]) if node in fixed]
    columns = [node for node in loop_reads if node not in fixed and node not in carried]
    saved = [node for node in dict.fromkeys([*columns, *finish_reads]) if node in there or node in recorded]
    forward = forward_loop(
        graph,
        constants=constants,
        inputs=inputs,
        state=state,
        new_state=new_state,
        emitted=emitted,
        recorded=recorded,
    )
    backward = BackwardLoop(
        constants=extract(graph, constants, again),
        fixed=again,
        d_new_state=carried,
        d_emitted=d_emitted,
        saved=saved,
        stage=extract(graph, [*again, *carried, *columns], [*before_step, *kept]),
        columns=columns,
        kept=kept,
        finish=extract(graph, finish_reads, results),
        d_inputs=d_inputs,
        d_constants=d_constants,
    )
    return forward, backward


def _or_zero(graph: fx.Graph, node: fx.Node | None, like: fx.Node) -> fx.Node:
    """The gradient of a state; zeros where none reaches it."""
    if node is not None:
        return node
    with graph.inserting_before(graph.output_node()):
        return insert(graph, aten.zeros_like.default, like)
