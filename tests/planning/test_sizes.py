from dataclasses import replace

import pytest

import seqkit
from seqkit.data.writing import TextCounts
from seqkit.planning import Plan, plan
from seqkit.planning.sizes import propose_sizes
from seqkit.plugin import CellPlugin
from seqkit.recipe import ResolvedRecipe
from seqkit.registry import registry_with
from tests.bench.test_cells import Wide, WideConfig


def with_data(found: Plan, *, tokens: int, epochs: float) -> Plan:
    """The same plan for another amount of data and time."""
    steps_per_epoch = tokens // 160
    expected = replace(found.expected, epochs=epochs, steps=round(epochs * steps_per_epoch))
    splits = {"train": TextCounts(tokens, tokens, tokens)}
    return replace(found, splits=splits, steps_per_epoch=steps_per_epoch, expected=expected)


MEASURED: list[tuple[Plan, ResolvedRecipe]] = []
"""Measured once: the tests change the figures of a copy."""


@pytest.fixture
def measured(tiny_recipe: seqkit.Recipe) -> tuple[Plan, ResolvedRecipe]:
    """A plan with 64 units: about 6,000 parameters of the cell."""
    if not MEASURED:
        recipe = tiny_recipe.override(["cell.hidden_size=64"]).resolve()
        MEASURED.append((plan(recipe), recipe))
    return MEASURED[0]


@pytest.mark.parametrize(
    ("tokens", "epochs", "size", "dropout"),
    [
        (100_000, 4, 64, 0.0),  # 66 tokens are read for each parameter
        (100_000, 1, 32, 0.0),  # 16: sqrt(16 / 100) = 0.4 times the parameters suit the time
        (200_000, 40, 128, 0.0),  # 1,300: 3.6 times
        (1_000_000, 40, 192, 0.0),  # 6,600: 8.1 times
        (10_000, 20, 64, 0.0),  # 33, but read often enough
        (2_000, 40, 64, 0.25),  # 3 parameters for each token
        (500, 4, 64, 0.0),  # 12, but read too few times to be memorised
        (600, 40, 64, 0.5),  # 10 parameters for each token
        (220, 40, 32, 0.25),  # 28, and 9 with half the units
    ],
)
def test_sizes_for_an_amount_of_data_and_time(
    measured: tuple[Plan, ResolvedRecipe], tokens: int, epochs: float, size: int, dropout: float
) -> None:
    found, recipe = measured
    sizes = propose_sizes(with_data(found, tokens=tokens, epochs=epochs), recipe)
    assert (sizes["cell.hidden_size"], sizes["model.dropout"]) == (size, dropout)


def test_a_larger_cell_still_has_at_most_ten_parameters_a_token(
    measured: tuple[Plan, ResolvedRecipe],
) -> None:
    found, recipe = measured
    sizes = propose_sizes(with_data(found, tokens=1_800, epochs=100_000), recipe)
    assert sizes["cell.hidden_size"] == 96


@pytest.mark.ci
def test_a_size_that_a_cell_cannot_have_is_not_proposed(tiny_recipe: seqkit.Recipe) -> None:
    class Odd(Wide):
        def __init__(self, input_size: int, width: int) -> None:
            if width == 128:
                raise ValueError("not that one")
            super().__init__(input_size, width)

    for cell, width in ((Wide, 128), (Odd, 96)):
        declared = CellPlugin("sized", WideConfig, cell, size_field="width")
        recipe = tiny_recipe.override(["cell.use=sized", "cell.width=16"])
        found = with_data(plan(recipe, plugins=[declared]), tokens=1_000_000, epochs=4)
        sizes = propose_sizes(found, recipe.resolve(registry_with([declared])))
        assert sizes["cell.width"] == width
