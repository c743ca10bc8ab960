"""Cells from papers with the engine that needs a compiler: it gives the numbers of a plain loop.

Its kernels are for real numbers. A step with complex ones may be refused, if the error says so.
"""

from __future__ import annotations

import pytest

from seqkit.errors import SplitError
from tests.engine.published.catalogue import CELLS, COMPLEX, cell_of, moved
from tests.engine.published.situations import require_plain_numbers

# Each cell with resets and in one other situation only, since compiling takes seconds for each.
OTHERS = ("ids", "table", "recomputed", "numbers")
CASES = [
    (name, situation)
    for index, name in enumerate(CELLS)
    for situation in ("resets", OTHERS[index % len(OTHERS)])
]


@pytest.mark.parametrize(("name", "situation"), [case for case in CASES if case[0] not in COMPLEX])
def test_compiled_kernels_give_the_numbers_of_a_plain_loop(name: str, situation: str) -> None:
    _require(name, situation)


@pytest.mark.parametrize(("name", "situation"), [case for case in CASES if case[0] in COMPLEX])
def test_complex_numbers_are_right_or_refused_as_such(name: str, situation: str) -> None:
    try:
        _require(name, situation)
    except SplitError:
        with pytest.raises(SplitError, match="complex"):  # the first result is kept
            require_plain_numbers(cell_of(name), situation, "compiled")
        pytest.skip("refused, as complex numbers may be")


def _require(name: str, situation: str) -> None:
    cell = cell_of(name)
    assert require_plain_numbers(cell, situation, "compiled") == "compiled"
    for scale in (0.2, 0.7):  # the same kernels, after gates that start at zero were opened
        with moved(cell, scale):
            assert require_plain_numbers(cell, situation, "compiled") == "compiled"
