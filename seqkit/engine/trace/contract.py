"""Checks of a cell's contract: a clear message instead of an error from deep inside PyTorch."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seqkit.cells.base import Cell, State, state_rows
from seqkit.engine.trace.attributes import require_registered
from seqkit.engine.trace.lines import step_line
from seqkit.errors import ContractError, SeqkitError, StepError

_checked: Final[weakref.WeakSet[Cell]] = weakref.WeakSet()


def check_cell(cell: object) -> None:
    """Raise ContractError if it is not a Cell, does not set its sizes, or holds unregistered weights."""
    name = type(cell).__name__
    if not isinstance(cell, Cell):
        raise ContractError(
            f"{name} is not a Cell: subclass seqkit.Cell and write step(x, state) -> (output, state)."
        )
    for size in ("input_size", "output_size"):
        if not isinstance(getattr(cell, size, None), int):
            raise ContractError(
                f"{name} does not set its {size}: set self.{size} in __init__ to a whole number."
            )
    if cell not in _checked:
        _check_signature(cell)
        require_registered(cell)
        _checked.add(cell)


def _check_signature(cell: Cell) -> None:
    """Raise ContractError if `step` does not take an input and one state."""
    taken = [
        parameter.name
        for parameter in inspect.signature(cell.step).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    kinds = [parameter.kind for parameter in inspect.signature(cell.step).parameters.values()]
    if len(taken) != 2 and inspect.Parameter.VAR_POSITIONAL not in kinds:
        rest = ", ".join(taken[1:]) or "nothing more"
        raise ContractError(
            f"{type(cell).__name__}.step takes ({', '.join(taken)}); a step takes (x, state).\n"
            f"  Put several tensors in one state, a tuple: def step(self, x, state), then {rest} = state."
        )


@contextmanager
def step_errors(cell: Cell) -> Iterator[None]:
    """Turn errors from the code of a cell into a StepError with its line; leave all others unchanged."""
    try:
        yield
    except SeqkitError:
        raise
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a third-party step may raise anything
        place = step_line(error)
        if not place or type(error).__module__ == "torch.utils.checkpoint":  # it ends a recomputation early
            raise
        said = str(error).split("\n", 1)[0]
        raise StepError(
            f"the step of {type(cell).__name__} fails: {type(error).__name__}: {said}{place}"
        ) from error


def checked_step(cell: Cell, batch_size: int, result: Any, given: State) -> tuple[Tensor, State]:
    """Return the result of a step, if it is `(output, state)` with the output `(batch, output_size)`.

    Args:
        cell: the cell that the step belongs to.
        batch_size: number of rows.
        result: what the step returned.
        given: the state before the step; the new one must be a tree with the same number of tensors.
    Raises:
        ContractError: it is something else.
    """
    name = f"{type(cell).__name__}.step"
    if not isinstance(result, tuple) or len(result) != 2:
        # A step that is being traced returns a subclass of Tensor, which the user does not know.
        kind = "Tensor" if isinstance(result, Tensor) else type(result).__name__
        what = f"a {kind}" + (f" of {len(result)}" if isinstance(result, tuple) else "")
        raise ContractError(f"{name} must return (output, state); it returned {what}.")
    output, state = result
    expected = (batch_size, cell.output_size)
    if not isinstance(output, Tensor) or tuple(output.shape) != expected:
        what = str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__
        raise ContractError(
            f"{name} must return an output of shape (batch, output_size) = {expected}; it returned {what}."
        )
    if state is None or state_rows(state) not in (None, batch_size):
        what = "None" if state is None else f"{state_rows(state)} rows"
        raise ContractError(
            f"{name} must return a state with {batch_size} rows, the batch first; it returned {what}."
        )
    if len(pytree.tree_leaves(state)) != len(pytree.tree_leaves(given)):
        raise ContractError(
            f"{name} must return (output, state) with a state like the one that it received, "
            f"{shape_of_tree(given)}; it returned the state {shape_of_tree(state)}."
        )
    return output, state


def shape_of_tree(state: State) -> str:
    """A state as a user would write it: `(tensor, [tensor])`."""
    return str(
        pytree.tree_map(lambda leaf: _Word("tensor" if isinstance(leaf, Tensor) else repr(leaf)), state)
    )


class _Word(str):
    def __repr__(self) -> str:
        return str(self)
