"""Unrolling a cell through time."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from seqkit.cells.base import Cell, State
from seqkit.engine.loop import has_no_numbers, one_hot, own_tree, reset_rows, unroll_loop
from seqkit.engine.trace.call import Call, call_of
from seqkit.engine.trace.contract import check_cell, step_errors
from seqkit.errors import CompilerError, ContractError, SplitError, UnknownNameError

__all__ = ["ENGINES", "check_cell", "choose_engine", "make_stepper", "refusals_of", "unroll", "unroll_named"]

if TYPE_CHECKING:
    from seqkit.engine.plan.fused import FusedEngine
    from seqkit.engine.plan.scanning import ScanEngine

logger = logging.getLogger(__name__)

Engine = Callable[[Call], tuple[Tensor, State]]


@cache
def _fused() -> FusedEngine:
    from seqkit.engine.plan.fused import FusedEngine  # PyTorch's tracer takes a second to import

    return FusedEngine()


@cache
def _compiled() -> FusedEngine:
    from seqkit.engine.compile.compiled import compile_body
    from seqkit.engine.plan.fused import FusedEngine

    return FusedEngine(compile_body)


@cache
def _scan() -> ScanEngine:
    from seqkit.engine.plan.scanning import ScanEngine

    return ScanEngine()


ENGINES: Final[dict[str, Callable[[], Engine]]] = {
    "loop": lambda: unroll_loop,
    "fused": _fused,
    "compiled": _compiled,
    "scan": _scan,
}
"""The engines by name; each is created at first use."""


def unroll(
    cell: Cell,
    x: Tensor,
    state: State = None,
    *,
    reset: Tensor | None = None,
    table: Tensor | None = None,
    engine: str = "auto",
    recompute_every: int | None = None,
) -> tuple[Tensor, State]:
    """Run a cell over whole sequences.

    Args:
        cell: the cell whose step is run.
        x: `(batch, time, input_size)`, or integer ids `(batch, time)`: then each step reads the
            one-hot row of its id.
        state: the state before the first step; by default the cell's initial state.
        reset: bool `(batch, time)`; where true, that row is reset to the initial state before that step.
        table: `(ids, input_size)`: the row for each id, used in place of its one-hot row. Equivalent to
            an embedding before the cell; what the step computes from a row alone is computed once per id.
        engine: `"loop"`, the plain Python loop; `"fused"`, the split step; `"compiled"`, the same with
            compiled kernels; `"scan"`, the cell's own `scan`; or `"auto"`: fused if the step can be split,
            else the loop; on a GPU, the scan of a cell that has one. All give the same numbers.
        recompute_every: save only the state at every N-th step, and recompute the rest in the backward
            pass: less memory, more time. About the square root of the number of steps is best.
    Returns:
        Outputs `(batch, time, output_size)`, a transposed view of time-major memory, and the state
        after the last step.
    Raises:
        ContractError: `x`, `reset` or `table` has the wrong shape, an id is out of range, or the cell breaks
            its contract.
        SplitError: an engine other than `"auto"` was requested, and the step cannot be split or compiled,
            or the cell has no scan.
        StepError: the step itself fails; the message names its line.
        UnknownNameError: there is no such engine.

    Example:
        >>> from seqkit.cells import RNN
        >>> outputs, hidden = unroll(RNN(3, 8), torch.zeros(2, 5, 3))
        >>> outputs.shape, hidden.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 8]))
    """
    outputs, state, _ = unroll_named(
        cell, x, state, reset=reset, table=table, engine=engine, recompute_every=recompute_every
    )
    # The caller may modify the result in place, so it must not alias an input or what autograd has saved.
    if outputs.requires_grad or _shares_memory(outputs, x, *pytree.tree_leaves(state)):
        outputs = outputs.transpose(0, 1).clone().transpose(0, 1)
    return outputs, state


def _shares_memory(outputs: Tensor, *others: object) -> bool:
    if has_no_numbers(outputs):
        return False
    memory = outputs.untyped_storage().data_ptr()
    tensors = (other for other in others if isinstance(other, Tensor))
    return any(tensor.untyped_storage().data_ptr() == memory for tensor in tensors)


def unroll_named(
    cell: Cell,
    x: Tensor,
    state: State = None,
    *,
    reset: Tensor | None = None,
    table: Tensor | None = None,
    engine: str = "auto",
    recompute_every: int | None = None,
) -> tuple[Tensor, State, str]:
    """Like `unroll`, and return the name of the engine that ran; do not modify the outputs in place."""
    _check(cell, x, reset, table)
    if recompute_every is not None and recompute_every < 1:
        raise ContractError(f"recompute_every must be 1 or more, got {recompute_every}.")
    engine = choose_engine(engine, cell, x)
    call = call_of(cell, x, state, reset, table)
    if recompute_every is None or not torch.is_grad_enabled():  # nothing is saved without gradients
        return _run(engine, call)
    return _run_recomputing(engine, call, recompute_every)


def make_stepper(cell: Cell, x: Tensor, state: State) -> Callable[[Tensor], Tensor]:
    """Return a function from an input to its output that updates its own state, for generation.

    What depends only on the weights is computed now, so they must not change while the function is used.
    No gradients are computed. If the step cannot be split, the function calls the step itself.

    Args:
        cell: the cell whose step is run.
        x: an example of the inputs: `(batch, input_size)`, or integer ids `(batch,)`.
        state: the state before the first step.
    """
    with torch.no_grad():
        call = call_of(cell, x[:, None], state)
    try:
        if has_no_numbers(x):
            raise SplitError("the input has no values to compute with")
        return _fused().stepper(call)
    except SplitError as error:
        logger.debug("the step is called directly: %s", error)

    def advance(x: Tensor) -> Tensor:
        nonlocal state
        output, state = call.acting.step(x if x.is_floating_point() else one_hot(cell, x), own_tree(state))
        return output

    return advance


def choose_engine(engine: str, cell: Cell | None = None, x: Tensor | None = None) -> str:
    """The name of the engine to try for the requested one; `"auto"` is resolved if cell and input are given.

    Raises:
        UnknownNameError: there is no such engine.
    """
    if engine == "auto":
        return "auto" if cell is None or x is None else _automatic(cell, x)
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ["auto", *ENGINES])
    return engine


def _automatic(cell: Cell, x: Tensor) -> str:
    """The engine that `auto` tries; it depends on the cell and the kind of input, never on timing."""
    # `torch.export` and the transforms of `torch.func` must see the operations of the steps themselves.
    if has_no_numbers(x) or _is_transformed():
        return "loop"
    return "scan" if x.device.type == "cuda" and hasattr(cell, "scan") else "auto"


def _is_transformed() -> bool:
    """Whether a transform of `torch.func`, or forward-mode differentiation, is active."""
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def _run(engine: str, call: Call) -> tuple[Tensor, State, str]:
    """Unroll, and return the name of the engine that ran."""
    with step_errors(call.cell):
        call = _without_idle_resets(call)
        if engine == "loop":
            return *unroll_loop(call), engine
        if engine != "auto":
            return *_run_named(engine, call), engine
        try:
            return *ENGINES["fused"]()(call), "fused"
        except SplitError as error:
            refused = str(error)
        outputs, state = unroll_loop(call)
    _log_once(call.cell, refused)  # not reached if the step fails in the loop as well
    return outputs, state, "loop"


def _without_idle_resets(call: Call) -> Call:
    """The call without its reset mask, if rows are reset at the first step only, or not at all."""
    reset = call.reset
    if reset is None or _has_inner_resets(reset):
        return call
    state = reset_rows(reset[:, 0], call.initial_state(), call.state) if reset.any() else call.state
    return replace(call, state=state, reset=None)


def _has_inner_resets(reset: Tensor) -> bool:
    """Whether a row is reset after the first step; True if finding out would wait for a device."""
    is_seen = reset.device.type == "cpu" and not has_no_numbers(reset)
    return bool(reset[:, 1:].any()) if is_seen else True


def _run_named(engine: str, call: Call) -> tuple[Tensor, State]:
    """Unroll with this engine and no other; a refusal says which engine can run the step."""
    try:
        if _is_transformed():
            raise SplitError(
                f"engine {engine!r} supports neither the transforms of torch.func nor forward-mode autograd."
            )
        return ENGINES[engine]()(call)
    except CompilerError:
        raise
    except SplitError as error:
        remedy = "Use engine='auto' (model.engine=auto), which can run such a step."
        raise SplitError(f"{error}\n  {remedy}") from error


def _run_recomputing(engine: str, call: Call, every: int) -> tuple[Tensor, State, str]:
    """Unroll N steps at a time; the backward pass recomputes each piece from the state before it."""
    x, reset, state = call.x, call.reset, call.state
    cuts = [slice(start, start + every) for start in range(0, x.shape[1], every)]
    # The step is traced here, in advance: PyTorch cannot differentiate a trace made inside a checkpoint.
    for resets in {reset is not None and _has_inner_resets(reset[:, steps]) for steps in cuts}:
        again = torch.ones(x[:, :2].shape[:2], dtype=torch.bool, device=x.device) if resets else None
        with torch.random.fork_rng([x.device] if x.is_cuda else []):  # the loop's step may draw
            _run(engine, replace(call, x=x[:, :2], reset=again))

    def piece(x: Tensor, reset: Tensor | None, state: State) -> tuple[Tensor, State, str]:
        return _run(engine, replace(call, x=x, reset=reset, state=state))

    pieces = []
    name = engine
    for steps in cuts:
        masks = None if reset is None else reset[:, steps]
        outputs, state, name = checkpoint(piece, x[:, steps], masks, state, use_reentrant=False)
        pieces.append(outputs.transpose(0, 1))
    return torch.cat(pieces).transpose(0, 1), state, name


_refused: weakref.WeakKeyDictionary[Cell, list[str]] = weakref.WeakKeyDictionary()


def refusals_of(cell: Cell) -> list[str]:
    """Why `auto` used the plain loop for the cell; empty if it did not."""
    return list(_refused.get(cell, ()))


def _log_once(cell: Cell, message: str) -> None:
    """Log, once for each cell, why the loop runs it."""
    if message not in _refused.setdefault(cell, []):
        _refused[cell].append(message)
        logger.warning("%s\n  The plain loop runs it.", message)


def _check(cell: Cell, x: Tensor, reset: Tensor | None, table: Tensor | None) -> None:
    check_cell(cell)
    numbers = x.ndim == 3 and x.shape[2] == cell.input_size and x.is_floating_point()
    ids = x.ndim == 2 and not x.is_floating_point() and x.dtype != torch.bool
    if not numbers and not ids:
        raise ContractError(
            f"unroll takes numbers (batch, time, {cell.input_size}) or integer ids (batch, time); "
            f"got {x.dtype} {tuple(x.shape)}."
        )
    if table is not None and not (ids and table.ndim == 2 and table.shape[1] == cell.input_size):
        raise ContractError(
            f"a table is (ids, {cell.input_size}), for integer ids (batch, time); "
            f"got {tuple(table.shape)} for {x.dtype} {tuple(x.shape)}."
        )
    known = cell.input_size if table is None else len(table)
    looked_at = ids and x.device.type == "cpu" and x.numel() and not has_no_numbers(x)
    if looked_at and (x.min() < 0 or x.max() >= known):
        raise ContractError(f"ids must be from 0 to {known - 1}; got {int(x.min())} to {int(x.max())}.")
    if x.shape[1] == 0:
        raise ContractError("unroll needs at least one time step; got none.")
    if reset is not None and (reset.shape != x.shape[:2] or reset.dtype != torch.bool):
        raise ContractError(
            f"reset must be bool {tuple(x.shape[:2])}; got {reset.dtype} {tuple(reset.shape)}."
        )
