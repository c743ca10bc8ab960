"""More random cells than the quick tests have time for: `make test-slow`."""

import contextlib
from typing import Any

import pytest

from seqkit.errors import SplitError
from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import RandomCell, moved_cell, random_cell


@pytest.mark.parametrize("hundred", range(20))
def test_fused_equals_the_loop(hundred: int) -> None:
    for seed in range(100 * hundred + 200, 100 * hundred + 300):
        cell = random_cell(seed)
        given = inputs_of(cell, seed)
        require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))
        moved_cell(cell, seed)
        require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))


class ComplexError(Exception):
    """Raised if the compiled engine refuses complex numbers, with that reason."""


def compiled(cell: RandomCell, given: dict[str, Any]) -> Any:
    try:
        return everything(cell, **given, engine="compiled")
    except SplitError as error:
        if "complex numbers" in str(error):
            raise ComplexError from error
        raise


@pytest.mark.parametrize("ten", range(10))
def test_compiled_equals_the_loop(ten: int) -> None:
    for seed in range(10 * ten, 10 * ten + 10):
        cell = random_cell(seed)
        given = inputs_of(cell, seed)
        with contextlib.suppress(ComplexError):
            require_equal(compiled(cell, given), everything(cell, **given, engine="loop"))
