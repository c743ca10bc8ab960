"""Running the graph of one step for all steps at once.

A value is either the same at every step, or holds all steps with the time first: `(time, batch, ...)`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx

from seqkit.engine.run.products import product
from seqkit.engine.trace.graphs import ancestors, aten, dependents, is_pointwise, returned

Values = dict[fx.Node, Any]
"""The result of each node, for all steps; `Any`, because some have several tensors."""


def run_batched(
    stage: fx.GraphModule, given: Sequence[Tensor], per_step: Sequence[bool]
) -> list[tuple[Any, bool]]:
    """The outputs of a step's graph for all steps, and whether each differs from step to step.

    Args:
        stage: the graph.
        given: its inputs.
        per_step: for each input, whether it holds all steps, the time first.
    """
    varying, wanted = varying_nodes(stage.graph, per_step), returned(stage.graph)
    values = evaluate(computed_for(stage.graph, wanted), known_values(stage, given), varying)
    return [(values[node], node in varying) for node in wanted]


def varying_nodes(graph: fx.Graph, per_step: Sequence[bool]) -> set[fx.Node]:
    """The nodes that differ from step to step if these inputs do."""
    placeholders = graph.find_nodes(op="placeholder")
    return dependents(graph, {node for node, tall in zip(placeholders, per_step, strict=True) if tall})


def known_values(stage: fx.GraphModule, given: Sequence[Tensor]) -> Values:
    """The values that need no computation: the inputs and the constants of a graph."""
    values: Values = dict(zip(stage.graph.find_nodes(op="placeholder"), given, strict=True))
    values.update((node, getattr(stage, str(node.target))) for node in stage.graph.find_nodes(op="get_attr"))
    return values


def computed_for(graph: fx.Graph, wanted: Iterable[fx.Node]) -> list[fx.Node]:
    """The nodes to compute for the wanted ones, in order."""
    needed = ancestors(wanted)
    return [node for node in graph.nodes if node.op == "call_function" and node in needed]


def evaluate(computed: Iterable[fx.Node], values: Values, varying: Collection[fx.Node]) -> Values:
    """Compute these nodes, and add their results to the values."""
    for node in computed:
        values[node] = _apply(node, values, varying)
    return values


def _apply(node: fx.Node, values: Mapping[fx.Node, Any], varying: Collection[fx.Node]) -> Any:
    """The node's operation on values of all steps."""
    reads = node.all_input_nodes

    def call(*tensors: Tensor) -> Any:
        at = dict(zip(reads, tensors, strict=True))
        args, kwargs = fx.map_arg((node.args, node.kwargs), at.__getitem__)
        # Memory that is contiguous at one step may not be contiguous over all steps.
        function: Any = torch.reshape if node.target == aten.view.default else node.target
        return function(*args, **kwargs)

    tensors = [values[read] for read in reads]
    tall = [read in varying for read in reads]
    if not any(tall) or node.target is operator.getitem:
        return call(*tensors)
    if is_pointwise(node):
        return call(*_aligned(tensors, tall))
    if node.target == aten.t.default:
        return tensors[0].mT if tensors[0].ndim == 3 else tensors[0]
    if node.target == aten.embedding.default and tall == [False, True]:
        return call(*tensors)
    if node.target == aten.mm.default and tall == [True, False]:
        left, matrix = tensors
        return product(left.flatten(0, 1), matrix).view(*left.shape[:2], matrix.shape[1])
    return _mapped(node.target, call, tensors, tall)


def _mapped(target: Any, call: Callable[..., Any], tensors: Sequence[Tensor], tall: Sequence[bool]) -> Any:
    """The operation on each step separately; a result that it omits, as some derivatives do, is None."""
    if not _has_batching_rule(target):
        time = next(len(tensor) for tensor, each in zip(tensors, tall, strict=True) if each)
        steps = [
            call(*(tensor[t] if each else tensor for tensor, each in zip(tensors, tall, strict=True)))
            for t in range(time)
        ]
        if isinstance(steps[0], Tensor):
            return torch.stack(steps)
        return tuple(None if each[0] is None else torch.stack(each) for each in zip(*steps, strict=True))
    left_out: set[int] = set()

    def computed(*given: Tensor) -> Any:
        result = call(*given)
        if not isinstance(result, tuple | list):
            return result
        left_out.update(index for index, each in enumerate(result) if each is None)
        return tuple(each for each in result if each is not None)

    found = torch.vmap(computed, in_dims=tuple(0 if each else None for each in tall))(*tensors)
    if not left_out:
        return found
    waiting = iter(found)
    count = len(found) + len(left_out)
    return tuple(None if index in left_out else next(waiting) for index in range(count))


@cache
def _has_batching_rule(target: Any) -> bool:
    """Whether PyTorch can do the operation for all steps in one call."""
    if not isinstance(target, torch._ops.OpOverload):
        return True
    keys = ("FuncTorchBatched", "FuncTorchBatchedDecomposition")
    name = target.name()  # type: ignore[no-untyped-call]  # PyTorch has not typed it
    return any(torch._C._dispatch_has_kernel_for_dispatch_key(name, key) for key in keys)


def _aligned(tensors: Sequence[Tensor], tall: Sequence[bool]) -> list[Tensor]:
    """Views of the tensors that broadcast over the time: `(T, B, H)` with `(T, H)` needs `(T, 1, H)`."""
    width = max(tensor.ndim - each for tensor, each in zip(tensors, tall, strict=True))
    aligned = []
    for tensor, each in zip(tensors, tall, strict=True):
        missing = width - (tensor.ndim - each)
        if each and missing:
            tensor = tensor[(slice(None), *[None] * missing)]
        aligned.append(tensor)
    return aligned
