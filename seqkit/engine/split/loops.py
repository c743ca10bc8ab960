"""What the two loops of the core compute, and what they read and keep. The executor runs them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, fx

from seqkit.engine.trace.graphs import Stage, aten, extract, is_pointwise, is_view, value_of

Arrays = dict[fx.Node, Tensor]
"""For each node its value at every step, `(time, batch, ...)`."""


@dataclass(frozen=True)
class ForwardLoop:
    """One forward step. A node represents its values at every step.

    Attributes:
        constants, inputs, state: what a step reads; the state is the one before it.
        new_state: the state after it.
        kept: further values whose memory of all steps is needed afterwards.
        blocks: the same nodes, grouped by shape; the nodes of a group are side by side in one allocation.
        emitted: the values that the loop emits: each is a state, a new state, or kept.
        stage: constants, inputs, state -> new state, kept.
        graph: the graph that all these nodes belong to.
    """

    constants: list[fx.Node]
    inputs: list[fx.Node]
    state: list[fx.Node]
    new_state: list[fx.Node]
    kept: list[fx.Node]
    blocks: list[list[fx.Node]]
    emitted: list[fx.Node]
    stage: Stage
    graph: fx.Graph


@dataclass(frozen=True)
class BackwardLoop:
    """One backward step, and what is computed afterwards for all steps at once.

    Attributes:
        constants: the forward loop's constants -> `fixed`, what a backward step reads of them.
        fixed: values that are the same at every step.
        d_new_state: the gradient of each differentiable state after the step, which the loop carries.
        d_emitted: for each emitted value its gradient, None if it has none.
        saved: values of the forward loop that are read, by the backward loop or after it.
        stage: fixed, d_new_state, columns -> the gradient of each differentiable state before the step, kept.
        columns: values of `saved` and `d_emitted` that the loop reads; they differ from step to step.
        kept: values of the loop that are read after it.
        finish: finish_reads -> d_inputs, d_constants, those that are not None.
        d_inputs, d_constants: the required gradients; None if one is not required, or is zero.
    """

    constants: Stage
    fixed: list[fx.Node]
    d_new_state: list[fx.Node]
    d_emitted: list[fx.Node | None]
    saved: list[fx.Node]
    stage: Stage
    columns: list[fx.Node]
    kept: list[fx.Node]
    finish: Stage
    d_inputs: list[fx.Node | None]
    d_constants: list[fx.Node | None]


def forward_loop(
    graph: fx.Graph,
    *,
    constants: list[fx.Node],
    inputs: list[fx.Node],
    state: list[fx.Node],
    new_state: list[fx.Node],
    emitted: list[fx.Node],
    recorded: Iterable[fx.Node] = (),
) -> ForwardLoop:
    """The loop that returns the emitted values and keeps the recorded ones."""
    there = {*inputs, *state, *new_state}
    kept = [node for node in dict.fromkeys([*emitted, *recorded]) if node not in there]
    blocks = _side_by_side(kept)
    stage = extract(graph, [*constants, *inputs, *state], [*new_state, *kept])
    return ForwardLoop(constants, inputs, state, new_state, kept, blocks, emitted, stage, graph)


_ANY_STRIDES: Final = frozenset(
    {
        *(aten.mm.default, aten.addmm.default, aten.bmm.default, aten.cat.default, aten.clone.default),
        *(aten._to_copy.default, aten.sum.dim_IntList, aten.mean.dim, aten._softmax.default),
        *(aten.native_layer_norm.default, aten.embedding.default),
    }
)
"""Operations that respect the strides of an input; adaptive_max_pool3d_backward of torch 2.13 does not."""


def _side_by_side(kept: list[fx.Node]) -> list[list[fx.Node]]:
    """Group values of the same shape; `node.meta["memory"]` is a fake tensor with the strides of its slice.

    With strides like those of a gate's slice of a product, a compiled kernel reads and writes them all in
    one loop; otherwise it would need two. A value with a view that requires contiguous memory, such as
    `view(len(x), -1)`, has its own memory.
    """
    groups: dict[Hashable, list[fx.Node]] = {}
    for node in kept:
        value = value_of(node)
        wide = value.new_empty(*value.shape[:-1], 2 * value.shape[-1]) if value.ndim else value
        apart = not value.ndim or not _can_be_viewed(node, wide[..., : value.shape[-1]])
        groups.setdefault(node if apart else (value.shape, value.dtype), []).append(node)
    for nodes in groups.values():
        value = value_of(nodes[0])
        if len(nodes) == 1:
            nodes[0].meta["memory"] = value.new_empty(value.shape)
            continue
        block = value.new_empty(*value.shape[:-1], len(nodes) * value.shape[-1])
        for node, place in zip(nodes, block.chunk(len(nodes), dim=-1), strict=True):
            node.meta["memory"] = place
    return list(groups.values())


def _can_be_viewed(node: fx.Node, memory: Tensor) -> bool:
    """Whether all users of the node can read its value from memory with these strides."""
    for user in node.users:
        if not (user.op == "output" or is_view(user) or is_pointwise(user) or user.target in _ANY_STRIDES):
            return False
        if isinstance(user.target, torch._ops.OpOverload) and user.target.is_view:
            args, kwargs = fx.map_arg(
                (user.args, user.kwargs), lambda read: memory if read is node else read.meta["val"]
            )
            try:
                seen = user.target(*args, **kwargs)
            except (RuntimeError, ValueError):  # a fake tensor raises the latter
                return False
            if isinstance(seen, Tensor) and not _can_be_viewed(user, seen):
                return False
    return True


def nodes_of(maybe: Sequence[fx.Node | None]) -> list[fx.Node]:
    """The nodes that are not None."""
    return [node for node in maybe if node is not None]
