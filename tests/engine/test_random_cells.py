"""The split equals the loop for steps that nobody chose."""

import pytest

from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import random_cell


@pytest.mark.parametrize("seed", range(200))
def test_fused_is_the_loop(seed: int) -> None:
    cell = random_cell(seed)
    given = inputs_of(cell, seed)
    require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))


def test_a_softmax_that_is_kept_beside_another_value() -> None:
    cell = random_cell(1378)  # torch's softmax writes as if its memory were one block
    given = inputs_of(cell, 1378)
    require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))
