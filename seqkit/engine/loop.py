"""The reference engine: a plain Python loop over `step`. Every other engine is compared with it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from seqkit.cells.base import Cell, State, map_state
from seqkit.engine.trace.call import Call
from seqkit.engine.trace.contract import checked_step
from seqkit.engine.trace.lines import definition_of
from seqkit.errors import ContractError


def unroll_loop(call: Call) -> tuple[Tensor, State]:
    """Run one step after the other.

    Returns:
        Outputs `(batch, time, output_size)`, a transposed view of time-major memory, and the final state.
    """
    cell, x, reset, state = call.acting, call.x, call.reset, call.state
    x = x if call.table is None else embedded(x, call.table)
    resets = steps_with_resets(reset, x.shape[1])
    initial = call.initial_state() if any(resets) else None
    outputs = []
    for t, x_t in enumerate(x.unbind(1)):
        if resets[t]:
            state = reset_rows(reset[:, t], initial, state)  # type: ignore[index]  # not None here
        given = own_tree(state)  # a step may modify a list or a dict of its state
        versions = versions_of(state) if t < 2 else []
        result = cell.step(x_t if x.ndim == 3 else one_hot(cell, x_t), given)
        if versions and versions_of(state) != versions:  # earlier outputs would be overwritten
            raise ContractError(
                f"{type(cell).__name__}.step writes to its state in place: write `h = h + x`, not `h += x`."
                f"{definition_of(cell.step)}"
            )
        output, state = checked_step(cell, len(x), result, state) if t == 0 else result
        outputs.append(output)
    return torch.stack(outputs).transpose(0, 1), state


def versions_of(state: State) -> list[int]:
    """The version counter of each tensor of a state, if PyTorch keeps one."""
    leaves = pytree.tree_leaves(state)
    return [leaf._version for leaf in leaves if isinstance(leaf, Tensor) and not leaf.is_inference()]


def own_tree(state: State) -> State:
    """The same tensors in a new tree."""
    return state if isinstance(state, Tensor) else map_state(lambda leaf: leaf, state)


def steps_with_resets(reset: Tensor | None, time: int) -> list[bool]:
    """For each step, whether a row is reset there; True for all if the mask's values cannot be read."""
    if reset is None:
        return [False] * time
    return [True] * time if has_no_numbers(reset) else reset.any(0).tolist()


def has_no_numbers(tensor: Tensor) -> bool:
    """Whether Python cannot read the tensor's values: in an export, under `vmap` and the like, on `meta`."""
    return (
        torch.compiler.is_compiling()
        or torch.compiler.is_exporting()
        or tensor.is_meta
        or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        or isinstance(tensor, FakeTensor)
    )


def embedded(ids: Tensor, table: Tensor) -> Tensor:
    """The rows `(batch, time, features)` of a table for these ids, in time-major memory."""
    return F.embedding(ids.t(), table).transpose(0, 1)


def one_hot(cell: Cell, ids: Tensor) -> Tensor:
    """The one-hot rows `(batch, input_size)` of ids `(batch,)`, in the cell's dtype."""
    return cell.zeros(len(ids), cell.input_size).scatter(1, ids[:, None].long(), 1.0)


def one_hot_rows(cell: Cell, ids: Tensor) -> Tensor:
    """The one-hot rows `(batch, time, input_size)` of ids `(batch, time)`."""
    return one_hot(cell, ids.flatten()).view(*ids.shape, cell.input_size)


def reset_rows(rows: Tensor, initial: State, state: State) -> State:
    """The state with the chosen rows, `(batch,)` bool, reset to the initial state."""

    def reset(value: Tensor, start: Tensor) -> Tensor:
        chosen = rows.view(-1, *[1] * (value.ndim - 1))
        # Under autocast a state may have another dtype than the initial one; a reset keeps the state's.
        return torch.where(chosen, start.to(value.dtype), value)

    return map_state(reset, state, initial)
