"""Every differentiable operator of PyTorch in every form: `make test-slow`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ci.operators import OPERATORS
from tests.ci.test_operators import (
    _database_is_not_collected,  # noqa: F401  # a fixture
    pytestmark,  # noqa: F401
    require_agreement,
)


@pytest.mark.parametrize("name", OPERATORS)
def test_the_engines_agree_or_the_step_is_refused_for_a_true_reason(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    require_agreement(name, record_property, every_form=True)
