"""The backward loop, in chunks of steps, so that what it keeps for the gradients of weights stays small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from torch import Tensor

from seqkit.engine.run.totals import Totals
from seqkit.engine.split.loops import Arrays, BackwardLoop, nodes_of
from seqkit.engine.trace.graphs import value_of

if TYPE_CHECKING:
    from seqkit.engine.run.core import Core

CHUNK_BYTES: Final = 4 << 20
"""What the backward loop keeps at a time: it fits a processor's cache, with enough rows for a product."""


def run_backward(
    core: Core,
    time: int,
    constants: Sequence[Tensor],
    arrays: Arrays,
    carry: Sequence[Tensor],
) -> tuple[list[Tensor | None], list[Tensor]]:
    """Run the backward loop: gradients of inputs and constants, and of the initial state."""
    loop = core.backward
    fixed = dict(zip(loop.fixed, loop.constants.run(*constants), strict=True))
    body = core.backward_body.bind([fixed[node] for node in loop.fixed])
    d_inputs = nodes_of(loop.d_inputs)
    totals = _totals(core, fixed)
    whole = {node: core.memory(time, node) for node in d_inputs}
    steps = _chunk(time, loop, whole)
    kept = {node: core.memory(steps, node) for node in loop.kept if node not in whole}
    states = [core.memory(steps + 1, node) for node in loop.d_new_state]  # row t: gradient before step t
    for stop in range(time, 0, -steps):
        start = max(0, stop - steps)
        length = stop - start
        chunk = {node: array[start:stop] for node, array in arrays.items()}
        chunk |= {node: memory[:length] for node, memory in kept.items()}
        chunk |= {node: memory[start:stop] for node, memory in whole.items() if node in loop.kept}
        for memory, gradient in zip(states, carry, strict=True):
            memory[length].copy_(gradient)
        run = body(
            [*(memory[1 : length + 1] for memory in states), *(chunk[node] for node in loop.columns)],
            [*(memory[:length] for memory in states), *(chunk[node] for node in loop.kept)],
        )
        run(range(length - 1, -1, -1))
        carry = [memory[0] for memory in states]
        found = totals.add([fixed[node] if node in fixed else chunk[node] for node in loop.finish.inputs])
        for node, gradient in zip(d_inputs, found, strict=True):
            if node not in loop.kept:
                whole[node][start:stop].copy_(gradient)
    sums = iter(totals.results())
    return (
        [
            *(None if node is None else whole[node] for node in loop.d_inputs),
            *(None if node is None else next(sums) for node in loop.d_constants),
        ],
        [each.clone() for each in carry],
    )


def _chunk(time: int, loop: BackwardLoop, whole: Arrays) -> int:
    """Number of steps that the backward loop runs before the gradients are summed."""
    values = [value_of(node) for node in loop.kept if node not in whole]
    bytes_a_step = sum(value.numel() * value.element_size() for value in values)
    chunks = max(1, math.ceil(time * bytes_a_step / CHUNK_BYTES))
    return math.ceil(time / chunks)


def _totals(core: Core, fixed: Arrays) -> Totals:
    """The gradients of inputs, for each chunk of steps, and of constants, summed over all steps."""
    loop = core.backward
    return Totals(
        loop.finish.run,
        [node not in fixed for node in loop.finish.inputs],
        range(len(nodes_of(loop.d_inputs)), len(loop.finish.outputs)),
        core.backward_body.tall_product,
    )
