import json
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

import seqkit
from seqkit.bench.cells import compare
from seqkit.errors import PluginError
from seqkit.plugin import Cell, CellConfig, CellPlugin

pytestmark = pytest.mark.ci


class WideConfig(CellConfig):
    width: int = 4


class Wide(Cell):
    def __init__(self, input_size: int, width: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, 4, 4
        self.up, self.down = nn.Linear(input_size + 4, width), nn.Linear(width, 4)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        state = torch.tanh(self.down(self.up(torch.cat([x, state], 1)).relu()))
        return state, state


WIDE = CellPlugin("wide", WideConfig, Wide, size_field="width")


def test_cells_have_the_same_budget_and_size(tiny_recipe: seqkit.Recipe) -> None:
    calls: list[Any] = []
    result = compare(
        ["rnn", "wide"],
        recipe=tiny_recipe.override(["~train.steps", "train.epochs=7"]),
        parameters=3000,
        steps=6,
        seeds=2,
        out="out",
        plugins=[WIDE],
        callbacks=lambda cell, seed: calls.append((cell, seed)) or (),  # type: ignore[func-returns-value]
    )
    assert calls == [("rnn", 0), ("rnn", 1), ("wide", 0), ("wide", 1)]
    for row in result["cells"]:
        assert abs(row["parameters"] - 3000) <= 60
        for seed in range(2):
            run = seqkit.load(f"out/{row['cell']}/seed-{seed}", plugins=[WIDE])
            assert run.provenance["parameters"] == row["parameters"]
            assert run.provenance["steps"] == 6
        assert len(row["bits_per_char"]["values"]) == 2
        assert [step for step, _ in row["curve"]] == [1, 2, 3, 4, 5, 6]
    assert json.loads(Path("out/cells.json").read_text())["steps"] == 6
    assert Path("out/cells.png").read_bytes().startswith(b"\x89PNG")


def test_a_cell_that_cannot_have_that_size_is_refused(tiny_recipe: seqkit.Recipe) -> None:
    with pytest.raises(
        PluginError, match="'rnn' has .* parameters at hidden_size = 1, more than 2 % from 20"
    ):
        compare(["rnn"], recipe=tiny_recipe, parameters=20, steps=1, seeds=2, out="out")

    class Fixed(Wide):
        def __init__(self, input_size: int, width: int) -> None:
            super().__init__(input_size, 4)

    fixed = CellPlugin("fixed", WideConfig, Fixed, size_field="width")
    with pytest.raises(PluginError, match="the cell 'fixed' does not grow with its field 'width'"):
        compare(
            ["fixed"], recipe=tiny_recipe, parameters=99_999, steps=1, seeds=2, out="out", plugins=[fixed]
        )
    assert not Path("out").exists()
