"""Gradients of tensors that all steps share: results of a step's graph, summed chunk by chunk of steps.

    one step      d_weight = t(mm(t(h), d))
    all steps     d_weight = t(total)          total: the sum of mm(t(h), d), a product over batch x time

Going up from an output, the sum is moved past operations that are linear in one value, such as `t` here. It
ends at a product, at rows that are added by their ids, or at any other operation. There each chunk is added
to a total.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from torch import Tensor, fx

from seqkit.engine.run.batched import Values, computed_for, evaluate, known_values, varying_nodes
from seqkit.engine.trace.graphs import aten, is_view, returned

_PRODUCTS: Final = frozenset({aten.mm.default, aten.bmm.default})
_LINEAR: Final = frozenset({aten.sum.dim_IntList, aten.neg.default, aten.clone.default})
"""Operations on one tensor, besides views, that may follow the sum over the steps instead of preceding it."""


TallProduct = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""left.t() @ right for `(R, M)` and `(R, N)`; added to the third, an earlier result, if there is one."""


class Totals:
    """Outputs of a step's graph, some of them summed over the steps.

    Args:
        stage: the graph.
        per_step: for each of its inputs, whether it holds all steps, the time first.
        summed: the positions of the outputs that are summed.
        tall_product: see `TallProduct`.
    """

    def __init__(
        self,
        stage: fx.GraphModule,
        per_step: Sequence[bool],
        summed: Collection[int],
        tall_product: TallProduct,
    ) -> None:
        outputs = returned(stage.graph)
        self._stage, self._tall_product = stage, tall_product
        self._varying = varying_nodes(stage.graph, per_step)
        self._summed = [node for index, node in enumerate(outputs) if index in summed]
        self._others = [node for index, node in enumerate(outputs) if index not in summed]
        if not {*self._summed} <= self._varying:
            raise AssertionError("an output that does not depend on the step cannot be summed over the steps")
        self._ends = self._ends_of(self._summed)
        read = [node for end in self._ends for node in self._read_for(end)]
        self._computed = computed_for(stage.graph, [*self._others, *read])
        self._totals: Values = {}

    def add(self, given: Sequence[Tensor]) -> list[Any]:
        """Add the inputs of some more steps; return those of their outputs that are not summed."""
        values = evaluate(self._computed, known_values(self._stage, given), self._varying)
        for end in self._ends:
            self._totals[end] = self._grown(end, values) if end in self._varying else values[end]
        return [values[node] for node in self._others]

    def results(self) -> list[Tensor]:
        """The summed outputs, each in its own memory."""
        results: list[Tensor] = []
        known, taken = dict(self._totals), set()
        for node in self._summed:
            result = self._total_of(node, known)
            memory = result.untyped_storage().data_ptr()
            results.append(result.clone() if memory in taken else result)
            taken.add(memory)
        return results

    def _ends_of(self, outputs: Sequence[fx.Node]) -> list[fx.Node]:
        """The nodes that are summed, going up past linear operations; and the fixed values on the way."""
        ends: dict[fx.Node, None] = {}
        waiting, seen = [*outputs], set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in self._varying and self._is_linear(node):
                waiting.extend(node.all_input_nodes)
            else:
                ends[node] = None
        return [*ends]

    def _is_linear(self, node: fx.Node) -> bool:
        """Whether the sum of the node's results is its result for the sum of its inputs."""
        tall = self._tall(node)
        if node.target in _PRODUCTS:
            return not all(tall)
        if node.target is aten.add.Tensor:
            return all(tall) and len(tall) == len(node.args) == 2 and not node.kwargs
        is_one_tensors = is_view(node) or node.target in _LINEAR
        return len(tall) == 1 and is_one_tensors and node.target is not operator.getitem

    def _tall(self, node: fx.Node) -> list[bool]:
        return [read in self._varying for read in node.all_input_nodes]

    def _read_for(self, end: fx.Node) -> list[fx.Node]:
        """The nodes to compute for a chunk, to add it to the total: the end, or the factors of its sum."""
        is_product_over_time = all(self._tall(end)) and (end.target in _PRODUCTS or _adds_rows(end))
        return end.all_input_nodes if is_product_over_time else [end]

    def _grown(self, end: fx.Node, values: Values) -> Tensor:
        """The total of a varying node, with these steps."""
        args: Any = end.args
        more: Tensor
        total: Tensor | None = self._totals.get(end)
        if end in values:
            more = values[end].sum(0)
        elif _adds_rows(end):
            rows, ids = values[args[0]], values[args[1]]
            sums = rows.new_zeros(args[2], rows.shape[-1]) if total is None else total
            return sums.index_add_(0, ids.flatten(), rows.flatten(0, -2).contiguous())  # a slice is slow
        else:
            left, right = values[args[0]], values[args[1]]
            if left.ndim == 3:  # (T, M, B) and (T, B, N)
                return self._tall_product(left.transpose(1, 2).flatten(0, 1), right.flatten(0, 1), total)
            folded = left.permute(1, 2, 0, 3).flatten(2)  # (T, G, M, B) to (G, M, T * B)
            more = folded @ right.permute(1, 0, 2, 3).flatten(1, 2)
        return more if total is None else total.add_(more)

    def _total_of(self, node: fx.Node, known: Values) -> Any:
        """The node's result for the totals of its inputs, which is stored in `known`."""
        if node not in known:
            args, kwargs = fx.map_arg((node.args, node.kwargs), lambda read: self._total_of(read, known))
            known[node] = node.target(*args, **kwargs)  # type: ignore[operator]  # a function
        return known[node]


def _adds_rows(node: fx.Node) -> bool:
    """Whether the node sums all rows by their ids, so that the rows of several steps can be summed at once.

    They cannot if each row is divided by the frequency of its id.
    """
    if node.target != aten.embedding_dense_backward.default:
        return False
    leaves_out, divides = node.args[3] != -1, node.args[4]
    return not leaves_out and not divides
