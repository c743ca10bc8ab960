from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from seqkit.cells import Cell
from seqkit.cells.base import detach_state, map_state, state_rows
from seqkit.errors import ContractError


class Nameless(Cell):
    input_size = output_size = 3

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return x, state


class Pair(NamedTuple):
    a: Tensor
    b: Tensor


def test_a_cell_without_hidden_size_says_what_to_do() -> None:
    with pytest.raises(ContractError, match=r"Nameless has no hidden_size.*\n.*write initial_state"):
        Nameless().initial_state(2)


def test_zeros_follow_the_first_floating_parameter() -> None:
    cell = Nameless()
    assert cell.zeros(2, 3).dtype == torch.float32
    assert cell.double().zeros(2, 3).dtype == torch.float64
    assert Nameless().to("meta").zeros(2, 3).device.type == "meta"
    assert not Nameless().state_dict()
    cell.register_parameter(
        "count", torch.nn.Parameter(torch.zeros(1, dtype=torch.int64), requires_grad=False)
    )
    cell.register_parameter("weight", torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16)))
    assert cell.zeros(2, 3, 4).dtype == torch.bfloat16
    assert cell.zeros(2, 3, 4).shape == (2, 3, 4)


def test_a_cell_needs_a_step() -> None:
    with pytest.raises(ContractError, match=r"Cell has no step: write step\(self, x, state\)"):
        Cell()


def test_a_state_is_any_tree() -> None:
    leaf = torch.ones(2, 3, requires_grad=True)
    state = {"x": Pair(leaf, leaf * 2), "y": (leaf * 3, {"z": leaf})}
    detached = detach_state(state)
    assert isinstance(detached["x"], Pair)
    assert not detached["y"][1]["z"].requires_grad
    doubled = map_state(torch.add, state, state)
    assert torch.equal(doubled["y"][0], torch.full((2, 3), 6.0))
    assert state_rows(state) == 2
