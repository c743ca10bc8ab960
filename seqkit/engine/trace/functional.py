"""The functional graph of a function: no operation writes in place.

    as traced                                    functional
    w = where(a == b, d / 2, d)                  w  = where(a == b, d / 2, d)
    masked_fill_(w, a > b, 0)                    w2 = masked_fill(w, a > b, 0)

The first graph contains every single operation, including those inside PyTorch's composite operations and
derivatives, some of which write in place. Only then is it made functional, because PyTorch's own pass does
not look inside a composite operation. Common subexpressions must not be merged in a graph with writes: two
equal values would become one piece of memory that is written twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, fx
from torch.fx import traceback as notes
from torch.fx.experimental.proxy_tensor import make_fx

from seqkit.engine.trace.graphs import aten
from seqkit.engine.trace.lines import line_of
from seqkit.engine.trace.refusal import RefusedError

TRACING: Final = threading.RLock()
"""Held while a step is traced, split, compiled or checked: PyTorch's tracer patches its modules meanwhile."""

Decompositions = Mapping[Any, Callable[..., Any]]


def single_operations(
    function: Callable[..., Any], inputs: Sequence[Tensor], decompositions: Decompositions | None = None
) -> fx.GraphModule:
    """The function as a graph of single operations, in-place writes included."""
    return make_fx(function, decomposition_table=decompositions)(*inputs)


def functional(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> fx.GraphModule:
    """The same function without in-place writes.

    Raises:
        RefusedError: an operation still writes in place.
    """

    def run(*values: Tensor) -> Any:
        return fx.Interpreter(graph).run(*values)  # which passes on the line of each node

    with notes.preserve_node_meta():
        result = make_fx(torch.func.functionalize(run), decomposition_table=_WRITES)(*inputs)
    for node in result.graph.nodes:
        if is_write(node):
            if any(each.op == "placeholder" for each in node.all_input_nodes[:1]):
                raise RefusedError(
                    "it writes to its input, its state, a weight or a buffer in place", line_of(node)
                )
            raise RefusedError(f"{node.target} writes in place", line_of(node))
    return result


def is_write(node: fx.Node) -> bool:
    """Whether the node's operation writes to one of its arguments in place."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _select_written(memory: Tensor, value: Tensor, dim: int, index: int) -> Tensor:
    """The content of memory after a value is written to one index of a dimension."""
    index %= memory.shape[dim]
    before, after = memory.narrow(dim, 0, index), memory.narrow(dim, index + 1, memory.shape[dim] - index - 1)
    return _joined([before, value.unsqueeze(dim), after], dim)


def _slice_written(
    memory: Tensor,
    value: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """The content of memory after a value is written to a slice of a dimension."""
    if step != 1:
        return NotImplemented  # type: ignore[no-any-return]  # then it stays one operation
    start, end, _ = slice(start, end).indices(memory.shape[dim])
    before, after = memory.narrow(dim, 0, start), memory.narrow(dim, end, memory.shape[dim] - end)
    return _joined([before, value, after], dim)


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    return torch.cat([part for part in parts if part.shape[dim]], dim)


def _written(memory: Tensor, value: Tensor, non_blocking: bool = False) -> Tensor:
    """The content of memory after a value is written to it; `aten.copy` itself has no derivative."""
    return value.to(memory.dtype).expand(memory.shape).clone()


_WRITES: Decompositions = {
    aten.copy.default: _written,
    aten.zero.default: torch.zeros_like,
    aten.select_scatter.default: _select_written,
    aten.slice_scatter.default: _slice_written,
    # The conjugate and the negative bit of a tensor: as operations, every kernel can read the result.
    aten._conj.default: torch.conj_physical,
    aten._neg_view.default: torch.neg,
}
"""Writes to the step's own memory, as operations whose derivative is correct under `vmap`."""
