"""The core's derivative: the joint graph of a step and its vector-Jacobian product, cut for the two loops.

In the backward pass an operation depends on the gradient of the state, as it depends on the state in the
forward pass. Only the operations from the gradient of the new state to that of the old one stay in the
loop. The gradients of weights are sums over all steps, so they are products over batch x time after it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._decomp import get_decompositions
from torch.fx import traceback as notes

from seqkit.engine.split.emitting import reading_nodes
from seqkit.engine.split.loops import BackwardLoop, ForwardLoop, forward_loop, nodes_of
from seqkit.engine.split.records import choose_records
from seqkit.engine.trace.functional import functional, single_operations
from seqkit.engine.trace.graphs import (
    ancestors,
    aten,
    dependents,
    extract,
    fake_mode_of,
    frontier,
    insert,
    is_differentiable,
    is_view,
    returned,
    value_of,
    without_repetition,
)
from seqkit.engine.trace.lines import line_of
from seqkit.engine.trace.refusal import RefusedError

_DECOMPOSED = (
    aten.addmm,
    aten.native_layer_norm_backward,
    aten.native_group_norm,
    aten.native_group_norm_backward,
)
"""Operations with several results in one, some of them gradients of a weight: they must be decomposed."""


@dataclass(frozen=True)
class _Joint:
    """The graph of a step and its derivative; a gradient is None if it is zero, or not required."""

    graph: fx.Graph
    inputs: list[fx.Node]
    constants: list[fx.Node]
    state: list[fx.Node]
    new_state: list[fx.Node]
    emitted: list[fx.Node]
    d_new_state: list[fx.Node | None]
    d_emitted: list[fx.Node | None]
    d_inputs: list[fx.Node | None]
    d_constants: list[fx.Node | None]
    d_state: list[fx.Node | None]


def differentiate(core: ForwardLoop, wanted: Sequence[bool]) -> tuple[ForwardLoop, BackwardLoop]:
    """The core's loop, which records values for the backward pass, and the backward loop.

    Args:
        core: the core of the split.
        wanted: for each input and each constant of the core, whether its gradient is required. That
            of a floating state always is.
    """
    given = [*core.inputs, *core.constants, *core.state]
    results = [*core.new_state, *core.emitted]
    values, outputs = [value_of(node) for node in given], [value_of(node) for node in results]
    step = extract(core.graph, given, results).run
    wants = [*wanted, *[True] * len(core.state)]
    asked = [index for index, value in enumerate(values) if wants[index] and is_differentiable(value)]
    floats = [index for index, value in enumerate(outputs) if is_differentiable(value)]

    def joint(*flat: Tensor) -> list[Any]:
        given, cotangents = flat[: len(values)], flat[len(values) :]

        def of_asked(*variables: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            inner = list(given)
            for index, variable in zip(asked, variables, strict=True):
                inner[index] = variable
            found = _Differentiated(step).run(*inner)
            return tuple(found[index] for index in floats), tuple(found)

        _, pull_back, found = torch.func.vjp(of_asked, *(given[index] for index in asked), has_aux=True)  # type: ignore[misc]
        return [*found, *pull_back(tuple(cotangents))]

    with fake_mode_of(given[0]), torch.no_grad(), notes.preserve_node_meta():
        flat = [
            *(torch.empty_like(value) for value in values),
            *(torch.empty_like(outputs[i], memory_format=torch.contiguous_format) for i in floats),
        ]
        with _refusals():
            traced = functional(single_operations(joint, flat, get_decompositions(_DECOMPOSED)), flat)
    graph = _tidy(traced)
    placeholders = graph.find_nodes(op="placeholder")
    given_back = returned(graph)
    d_results = dict(zip(floats, placeholders[len(values) :], strict=True))
    gradients = dict(zip(asked, given_back[len(results) :], strict=True))
    backwards = dependents(graph, {*d_results.values()})
    # A gradient that does not depend on those of the results is zero.
    d_given = [node if (node := gradients.get(i)) in backwards else None for i in range(len(given))]
    i, c, s = len(core.inputs), len(core.inputs) + len(core.constants), len(core.new_state)
    found = _Joint(
        graph=graph,
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
    return _cut(found)


class _Differentiated(fx.Interpreter):
    """Runs a step under differentiation; an operation without a derivative is reported with its line."""

    def run_node(self, n: fx.Node) -> Any:
        """The value of a node."""
        try:
            return super().run_node(n)
        except Exception as error:
            said = str(error).split("\n", 1)[0]
            reason = f"{n.target} has no derivative here ({type(error).__name__}: {said})"
            raise RefusedError(reason, line_of(n)) from error


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn the errors of fake tensors, which have no values, into refusals."""
    try:
        yield
    except torch._subclasses.fake_tensor.DataDependentOutputException as error:
        raise RefusedError(f"its derivative needs the value of a tensor ({error.func})") from error
    except torch._subclasses.fake_tensor.DynamicOutputShapeException as error:
        raise RefusedError(
            f"its derivative has a shape that depends on the values of a tensor ({error.func})"
        ) from error


def _tidy(traced: fx.GraphModule) -> fx.Graph:
    """The graph without the `detach` nodes of differentiation, and without common subexpressions."""
    for node in traced.graph.find_nodes(op="call_function", target=aten.detach.default):
        node.replace_all_uses_with(node.args[0])
    traced.graph.eliminate_dead_code()
    return without_repetition(traced)


def _cut(joint: _Joint) -> tuple[ForwardLoop, BackwardLoop]:
    """Cut the joint graph: what is recorded, what the backward loop computes, what is computed after it."""
    graph, carried, d_emitted = joint.graph, nodes_of(joint.d_new_state), nodes_of(joint.d_emitted)
    nodes = {node for node in graph.nodes if node.op != "output"}
    fixed = nodes - dependents(graph, {*joint.inputs, *joint.state, *carried, *d_emitted})
    backwards = dependents(graph, {*carried, *d_emitted}) & nodes
    pairs = zip(joint.d_state, joint.d_new_state, strict=True)
    before_step = [_or_zero(graph, before, after) for before, after in pairs if after is not None]
    results = [*nodes_of(joint.d_inputs), *nodes_of(joint.d_constants)]

    in_loop = _in_loop(graph, ancestors(before_step) & (backwards | {*before_step}) | {*carried})
    in_loop |= reading_nodes(results, in_loop, ancestors(results) & backwards - in_loop - {*d_emitted})
    finishing = ancestors(results) & backwards - in_loop
    ends = frontier(results, finishing.__contains__, fixed)
    kept = [node for node in ends if node in in_loop and node not in d_emitted]

    there = {*joint.state, *joint.new_state, *joint.emitted} - fixed
    needed = {read for node in in_loop | finishing for read in node.all_input_nodes if read not in backwards}
    recorded = choose_records(needed, given=there | fixed, lost=joint.inputs)
    known = fixed | there | {*recorded, *d_emitted}
    loop_reads = _read([*before_step, *kept], known | {*carried})
    finish_reads = _read(results, known | {*kept})
    reads = dict.fromkeys([*loop_reads, *finish_reads])
    again = [node for node in reads if node in fixed]
    columns = [node for node in loop_reads if node not in fixed and node not in carried]
    forward = forward_loop(
        graph,
        constants=joint.constants,
        inputs=joint.inputs,
        state=joint.state,
        new_state=joint.new_state,
        emitted=joint.emitted,
        recorded=recorded,
    )
    backward = BackwardLoop(
        constants=extract(graph, joint.constants, again),
        fixed=again,
        d_new_state=carried,
        d_emitted=joint.d_emitted,
        saved=[node for node in reads if node in there or node in recorded],
        stage=extract(graph, [*again, *carried, *columns], [*before_step, *kept]),
        columns=columns,
        kept=kept,
        finish=extract(graph, finish_reads, results),
        d_inputs=joint.d_inputs,
        d_constants=joint.d_constants,
    )
    return forward, backward


def _in_loop(graph: fx.Graph, in_loop: set[fx.Node]) -> set[fx.Node]:
    """Add nodes that only concatenate values of the loop: written there in one piece, they need no copy.

    The results of an operation with several results are added as well.
    """
    for node in graph.nodes:
        joins = node.target == aten.cat.default or (node.target is operator.getitem and not is_view(node))
        if joins and {*node.all_input_nodes} <= in_loop:
            in_loop.add(node)
    return in_loop


def _read(targets: list[fx.Node], known: set[fx.Node]) -> list[fx.Node]:
    """The known nodes that are read to compute the targets."""
    return frontier(targets, lambda node: node not in known, known)


def _or_zero(graph: fx.Graph, node: fx.Node | None, like: fx.Node) -> fx.Node:
    """The gradient of a state; zeros if there is none."""
    if node is not None:
        return node
    with graph.inserting_before(graph.output_node()):
        return insert(graph, aten.zeros_like.default, like)
