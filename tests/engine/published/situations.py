"""The situations in which an engine must give the numbers of the plain loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from torch import Tensor

from seqkit import Cell
from seqkit.engine import unroll_named
from tests.engine.published.plain import (
    Given,
    found_by,
    given_ids,
    given_numbers,
    given_resets,
    given_table,
    plain_unroll,
    require_same,
)

SITUATIONS: Final[dict[str, tuple[Callable[[Cell], Given], dict[str, Any]]]] = {
    "numbers": (given_numbers, {}),
    "resets": (given_resets, {}),
    "ids": (given_ids, {}),
    "table": (given_table, {}),
    "recomputed": (given_resets, {"recompute_every": 3}),
}


def quick(*names: str) -> list[Any]:
    """All situations as parameters; only those that are named are for the quick tests."""
    return [name if name in names else pytest.param(name, marks=pytest.mark.ci) for name in SITUATIONS]


def require_plain_numbers(cell: Cell, situation: str, engine: str, tolerance: float = 1e-9) -> str:
    """Compare an engine with the plain loop, in full; the name of the engine that ran."""
    make, options = SITUATIONS[situation]
    given = make(cell)
    ran = []

    def unroll(*arguments: Any, **keywords: Any) -> tuple[Tensor, Any]:
        outputs, state, name = unroll_named(*arguments, engine=engine, **keywords)
        ran.append(name)
        return outputs, state

    require_same(found_by(unroll, cell, given, **options), found_by(plain_unroll, cell, given), tolerance)
    (name,) = ran
    return name
