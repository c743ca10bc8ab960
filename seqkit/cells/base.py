"""The contract of a cell: one recurrent step, written as in a textbook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree  # torch has no public one; its own engines use this

from seqkit.errors import ContractError

State: TypeAlias = Any
"""A tensor, or any nested tuple, named tuple or dict of tensors, each with the batch first.

`Any`, because Python's types cannot say "a tree of tensors whose shape a plugin chooses".
"""


class Cell(nn.Module):
    """One recurrent step.

    A subclass sets `input_size` and `output_size` and writes `step`. A step is a pure function, its rows
    do not depend on each other, and it does not branch in Python on tensor values. Its state starts as
    zeros `(batch, hidden_size)`; a cell with another state defines `initial_state`, for instance
    `return self.zeros(batch_size, 8), self.zeros(batch_size, 8)`.
    """

    input_size: int
    output_size: int
    _like: Tensor

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Raise ContractError if the class has no step."""
        if cls.step is Cell.step:
            hint = "\n  It has a forward: rename that to step." if cls.forward is not Cell.forward else ""
            raise ContractError(
                f"{cls.__name__} has no step: write step(self, x, state) -> (output, state).{hint}"
            )
        return super().__new__(cls)

    def __init__(self) -> None:
        super().__init__()
        # Holds the device and dtype of a cell without parameters. It is not in the state dict.
        self.register_buffer("_like", torch.empty(0), persistent=False)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance one time step.

        Args:
            x: input at this step, `(batch, input_size)`.
            state: the state before this step, with the structure of `initial_state`.
        Returns:
            Output `(batch, output_size)` and the new state.
        """
        raise NotImplementedError

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: zeros `(batch, hidden_size)`, unless a cell overrides this.

        Raises:
            ContractError: the cell has no `hidden_size` and does not define its state.
        """
        hidden_size = getattr(self, "hidden_size", None)
        if not isinstance(hidden_size, int):
            raise ContractError(
                f"{type(self).__name__} has no hidden_size, so its initial state is unknown.\n"
                "  Set self.hidden_size, or write initial_state(self, batch_size); "
                "self.zeros(batch_size, size) gives a tensor on the right device."
            )
        return self.zeros(batch_size, hidden_size)

    def zeros(self, batch_size: int, *sizes: int) -> Tensor:
        """Zeros `(batch, *sizes)` with the device and dtype of the first floating parameter.

        Without such a parameter, those that the cell was moved to: `cell.double()`, `cell.to("cuda")`.
        """
        for parameter in self.parameters():
            if parameter.is_floating_point():
                return parameter.new_zeros(batch_size, *sizes)
        return self._like.new_zeros(batch_size, *sizes)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The same as `step`, so that a cell can be called like any module."""
        return self.step(x, state)


def map_state(function: Callable[..., Tensor], state: State, *others: State) -> State:
    """Apply `function` to each tensor of a state, together with its counterparts in `others`."""
    return pytree.tree_map(function, state, *others)


def detach_state(state: State) -> State:
    """The same values, detached from the autograd graph."""
    return map_state(torch.Tensor.detach, state)


def state_rows(state: State) -> int | None:
    """The batch size of a state; None if it holds no tensor."""
    return next((len(leaf) for leaf in pytree.tree_leaves(state)), None)
