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
    """One step forwards. A node stands for its values at every step.

    Attributes:
        constants, inputs, state: what a step reads; the state is the one before it.
        new_state: the state after it.
        kept: further values whose memory of all steps is wanted afterwards.
        blocks: the same nodes, in groups of one shape; those of a group lie side by side in one block.
        emitted: what is given out: each a state, a new state, or kept.
        stage: constants, inputs, state -> new state, kept.
        graph: that all these nodes belong to.
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
    """One step backwards, and what is left to do for all steps at once.

    Attributes:
        constants: (of the forward loop's constants) -> `fixed`, what a step backwards reads of them.
        fixed: the same at every step.
        d_new_state: the gradient of each differentiable state after the step, which the loop carries.
        d_emitted: for each emitted value its gradient, None where it has none.
        saved: what of the forward loop is read, by the loop or after it.
        stage: fixed, d_new_state, columns -> the gradient of each differentiable state before the step, kept.
        columns: what differs from step to step: of `saved` and `d_emitted`.
        kept: values of the loop that are read after it.
        finish: finish_reads -> d_inputs, d_constants, those that are not None.
        d_inputs, d_constants: the gradients that are wanted; None where one is not, or is zero.
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
    """The loop that gives out the emitted values and keeps the recorded ones."""
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
"""Operations that read memory as its strides say; adaptive_max_pool3d_backward of torch 2.13 does not."""


def _side_by_side(kept: list[fx.Node]) -> list[list[fx.Node]]:
    """Group values of one shape; `node.meta["memory"]` is a fake tensor with the strides of its place.

    With strides like those of a gate's slice of a product, a compiled kernel reads and writes them all in
    one loop; otherwise it would go over them twice. A value that is looked at in a way for which it must be
    one block, such as `view(len(x), -1)`, has memory of its own.
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
    """Whether all that read the node's value can read it in such memory."""
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
    """Those that are there."""
    return [node for node in maybe if node is not None]
