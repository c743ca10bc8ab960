"""More random cells than a quick suite has time for: `make test-slow`."""

import pytest

from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import random_cell


@pytest.mark.parametrize("hundred", range(20))
def test_fused_is_the_loop(hundred: int) -> None:
    for seed in range(100 * hundred + 200, 100 * hundred + 300):
        cell = random_cell(seed)
        given = inputs_of(cell, seed)
        require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))


@pytest.mark.parametrize("ten", range(10))
def test_compiled_is_the_loop(ten: int) -> None:
    for seed in range(10 * ten, 10 * ten + 10):
        cell = random_cell(seed)
        given = inputs_of(cell, seed)
        require_equal(everything(cell, **given, engine="compiled"), everything(cell, **given, engine="loop"))
