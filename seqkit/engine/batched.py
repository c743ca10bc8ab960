"""Running the graph of one step for all steps at once.

A value is either the same at every step, or holds all steps with the time first: `(time, batch, ...)`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from seqkit.engine.graphs import ancestors, aten, is_pointwise, is_view, returned
from seqkit.engine.products import product

Values = dict[fx.Node, Any]
"""What each node gives, for all steps; `Any`, because some give several tensors."""


def run_batched(
    stage: fx.GraphModule, given: Sequence[Tensor], per_step: Sequence[bool]
) -> list[tuple[Any, bool]]:
    """The outputs of a step's graph for all steps, and whether each differs from step to step.

    Args:
        stage: the graph.
        given: its inputs.
        per_step: for each input, whether it holds all steps, the time first.
    """
    values, varying = _evaluate(stage, given, per_step)
    return [(values[node], node in varying) for node in returned(stage.graph)]


def sum_over_time(
    stage: fx.GraphModule,
    given: Sequence[Tensor],
    per_step: Sequence[bool],
    summed: Collection[int],
    tall_product: Callable[[Tensor, Tensor], Tensor],
) -> list[Any]:
    """As `run_batched`, but the outputs at the positions `summed` are added up over the steps.

    A sum of products over the steps, as the gradient of a weight is, is one product over batch x time:
    `tall_product(left, right)` gives left.t() @ right.
    """
    outputs = returned(stage.graph)
    wanted = [node for index, node in enumerate(outputs) if index not in summed]
    values, varying = _evaluate(stage, given, per_step, wanted)
    totals = _Totals(values, varying, tall_product)
    results = []
    for index, node in enumerate(outputs):
        if index not in summed:
            results.append(values[node])
        elif node in varying:
            results.append(totals.of(node))
        else:
            raise AssertionError(f"{node} does not depend on the step, so it is no sum over the steps")
    return results


@dataclass(frozen=True)
class _Totals:
    """Sums over the steps. (No closures: two that call each other would keep all the values in memory.)

    Attributes:
        values: what is known; what is computed on the way is put there.
        varying: the nodes that differ from step to step.
        tall_product: see `sum_over_time`.
    """

    values: Values
    varying: set[fx.Node]
    tall_product: Callable[[Tensor, Tensor], Tensor]

    def of(self, node: fx.Node) -> Any:
        """The sum over the steps of what the node gives; every operation below is linear in what it sums."""
        args: tuple[Any, ...] = node.args
        operation: Any = node.target
        tall = [read in self.varying for read in node.all_input_nodes]
        if node.target in (aten.mm.default, aten.bmm.default):
            if all(tall):
                return _product_over_time(self._value(args[0]), self._value(args[1]), self.tall_product)
            left, right = (self.of(each) if each in self.varying else self._value(each) for each in args)
            return operation(left, right)
        if node.target == aten.embedding_dense_backward.default and all(tall):
            return operation(self._value(args[0]).flatten(0, 1), self._value(args[1]).flatten(), *args[2:])
        if node.target is aten.add.Tensor and all(tall) and len(tall) == len(args) == 2 and not node.kwargs:
            return self.of(args[0]) + self.of(args[1])
        if (
            len(tall) == 1
            and (is_view(node) or node.target in _LINEAR)
            and node.target is not operator.getitem
        ):
            return operation(self.of(args[0]), *args[1:], **node.kwargs)
        return self._value(node).sum(0)

    def _value(self, node: fx.Node) -> Any:
        """What the node gives at every step."""
        if node not in self.values:
            for read in node.all_input_nodes:
                self._value(read)
            self.values[node] = _apply(node, self.values, self.varying)
        return self.values[node]


_LINEAR = frozenset({aten.sum.dim_IntList, aten.neg.default, aten.clone.default})
"""Operations of one tensor that may be done after the sum over the steps in place of before it."""


def _product_over_time(
    left: Tensor, right: Tensor, tall_product: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """The sum over t of left[t] @ right[t], as one product."""
    if left.ndim == 3:  # (T, M, B) and (T, B, N)
        return tall_product(left.transpose(1, 2).flatten(0, 1), right.flatten(0, 1))
    folded = left.permute(1, 2, 0, 3).flatten(2)  # (T, G, M, B) to (G, M, T * B)
    return folded @ right.permute(1, 0, 2, 3).flatten(1, 2)


def _evaluate(
    stage: fx.GraphModule,
    given: Sequence[Tensor],
    per_step: Sequence[bool],
    wanted: Sequence[fx.Node] | None = None,
) -> tuple[Values, set[fx.Node]]:
    """The value of each node that is wanted (by default all), and the nodes that differ between steps."""
    placeholders = [node for node in stage.graph.nodes if node.op == "placeholder"]
    values: Values = dict(zip(placeholders, given, strict=True))
    varying = {node for node, tall in zip(placeholders, per_step, strict=True) if tall}
    needed = ancestors(returned(stage.graph) if wanted is None else wanted)
    for node in stage.graph.nodes:
        if node.op == "get_attr":
            values[node] = getattr(stage, str(node.target))
        if node.op != "call_function":
            continue
        if any(read in varying for read in node.all_input_nodes):
            varying.add(node)
        if node in needed:
            values[node] = _apply(node, values, varying)
    return values, varying


def _apply(node: fx.Node, values: Mapping[fx.Node, Any], varying: Collection[fx.Node]) -> Any:
    """The node's operation on values of all steps."""
    reads = node.all_input_nodes

    def call(*tensors: Tensor) -> Any:
        at = dict(zip(reads, tensors, strict=True))
        args, kwargs = fx.map_arg((node.args, node.kwargs), at.__getitem__)
        return node.target(*args, **kwargs)  # type: ignore[operator]  # a function

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
    return torch.vmap(call, in_dims=tuple(0 if each else None for each in tall))(*tensors)


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
