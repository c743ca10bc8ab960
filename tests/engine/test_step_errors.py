"""A step that fails is reported in two lines, whichever engine runs it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqkit.cells import Cell
from seqkit.engine import unroll
from seqkit.errors import ContractError, StepError


class Failing(Cell):
    def __init__(self) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = 3, 4, 4
        self.linear = nn.Linear(3, 4)

    def step(self, x: Tensor, state: Tensor) -> Any:
        return self.fail(x, state)

    def fail(self, x: Tensor, state: Tensor) -> Any:
        raise NotImplementedError


class WrongSize(Failing):
    def fail(self, x: Tensor, state: Tensor) -> Any:
        return self.linear(torch.cat([x, state], 1)), state


class Misspelled(Failing):
    def fail(self, x: Tensor, state: Tensor) -> Any:
        return self.liner(x), state


class NewStructure(Failing):
    def fail(self, x: Tensor, state: Any) -> Any:
        return torch.tanh(self.linear(x) + state), (state, state)


class NoPair(Failing):
    def fail(self, x: Tensor, state: Tensor) -> Any:
        return self.linear(x)


@pytest.mark.parametrize("engine", ["auto", "loop"])
@pytest.mark.parametrize(
    ("cell", "said", "line"),
    [
        (
            WrongSize,
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x7 and 3x4)",
            "return self.linear(torch.cat([x, state], 1)), state",
        ),
        (
            Misspelled,
            "AttributeError: 'Misspelled' object has no attribute 'liner'",
            "return self.liner(x), state",
        ),
    ],
)
def test_it_says_what_and_where(
    cell: type[Failing], said: str, line: str, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(StepError) as caught:
        unroll(cell(), torch.zeros(2, 5, 3), engine=engine)
    first, second = str(caught.value).splitlines()
    assert first == f"the step of {cell.__name__} fails: {said}"
    assert second.startswith("  test_step_errors.py, line ")
    assert second.endswith(line)
    assert caught.value.__cause__ is not None
    assert caplog.text == ""  # nothing says that the loop runs it, and PyTorch logs no traceback


def test_what_a_step_returns_is_called_by_the_name_that_users_know() -> None:
    with pytest.raises(ContractError) as caught:
        unroll(NoPair(), torch.zeros(2, 5, 3))
    assert str(caught.value) == "NoPair.step must return (output, state); it returned a Tensor."


@pytest.mark.parametrize("engine", ["auto", "loop"])
def test_a_state_of_another_structure_is_reported(engine: str) -> None:
    with pytest.raises(ContractError) as caught:
        unroll(NewStructure(), torch.zeros(2, 5, 3), engine=engine)
    assert str(caught.value) == (
        "NewStructure.step must return (output, state) with a state like the one that it received, tensor; "
        "it returned the state (tensor, tensor)."
    )


def test_an_error_that_does_not_come_from_a_step_is_not_changed() -> None:
    class Interrupted(Failing):
        def step(self, x: Tensor, state: Tensor) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unroll(Interrupted(), torch.zeros(2, 5, 3), engine="loop")
