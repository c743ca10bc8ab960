"""The conformance kit: the contracts of components, as checks that a plugin author runs.

In a test file of a plugin, this makes one test of every check:

    from seqkit.testing import CellCase, parametrize_with_checks

    @parametrize_with_checks([CellCase("minrnn", decay=0.5)])
    def test_conformance(check):
        check()

A check that is expected to fail is declared with the reason. The test then fails if the check passes:
`CellCase("minrnn", expected_failures={"trains": "it has no weights"})`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from seqkit.testing.around import EncoderCase, HeadCase
from seqkit.testing.cases import CellCase, SourceCase, TokenizerCase
from seqkit.testing.encoder_checks import ENCODER_CHECKS
from seqkit.testing.engine_checks import CELL_CHECKS
from seqkit.testing.head_checks import HEAD_CHECKS
from seqkit.testing.kit import CheckFailedError, CheckList, Report, Result, run_case
from seqkit.testing.source_checks import SOURCE_CHECKS
from seqkit.testing.tokenizer_checks import TOKENIZER_CHECKS

if TYPE_CHECKING:
    import pytest

__all__ = [
    "AnyCase",
    "CellCase",
    "CheckFailedError",
    "EncoderCase",
    "HeadCase",
    "Report",
    "Result",
    "SourceCase",
    "TokenizerCase",
    "engine_for",
    "parametrize_with_checks",
    "run_checks",
]

AnyCase: TypeAlias = CellCase | TokenizerCase | SourceCase | HeadCase | EncoderCase


def checks_of(case: AnyCase) -> CheckList[Any]:
    """The checks for a kind of case."""
    lists: dict[type, CheckList[Any]] = {
        CellCase: CELL_CHECKS,
        TokenizerCase: TOKENIZER_CHECKS,
        SourceCase: SOURCE_CHECKS,
        HeadCase: HEAD_CHECKS,
        EncoderCase: ENCODER_CHECKS,
    }
    return lists[type(case)]


def run_checks(case: AnyCase, only: Collection[str] = ()) -> Report:
    """Run all checks that apply to a case, or only those named, without pytest.

    Example:
        >>> run_checks(CellCase("rnn")).passed
        True
    """
    return run_case(checks_of(case), case, only)


def engine_for(case: CellCase) -> tuple[str, str]:
    """The engine that `auto` chooses for the cell in training on a CPU, and why if it is the plain loop.

    Raises:
        ContractError: the cell cannot be created, or cannot be unrolled at all.

    Example:
        >>> engine_for(CellCase("rnn"))
        ('fused', '')
    """
    import torch

    from seqkit.engine import unroll
    from seqkit.errors import SplitError
    from seqkit.testing.comparing import sequence

    inputs = sequence(case)
    begins = torch.zeros(inputs.shape[:2], dtype=torch.bool)
    begins[0, -1] = True
    try:
        for reset in (None, begins):  # a run may reset some rows; a cell that mixes rows does not support it
            unroll(case.make().train(), inputs, reset=reset, engine="fused")
    except SplitError as error:
        reason = str(error).rpartition("\n  engine='auto'")[0] or str(error)
        return "loop", reason
    return "fused", ""


def parametrize_with_checks(cases: Sequence[AnyCase]) -> pytest.MarkDecorator:
    """Parametrise a test function `def test_conformance(check): check()` with every check of every case."""
    import pytest

    parameters = []
    for index, case in enumerate(cases):
        for check in checks_of(case).applying_to(case):
            reason = case.expected_failures.get(check.name)
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
            function: Callable[[], None] = partial(check.function, case)
            name = case.name if len(cases) == 1 else f"{case.name}-{index}"
            parameters.append(pytest.param(function, id=f"{name}-{check.name}", marks=marks))
    return pytest.mark.parametrize("check", parameters)
