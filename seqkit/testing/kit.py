"""Checks as plain functions, and the count of which of them ran.

A check takes a case and raises `CheckFailedError`. Which checks apply to a case is decided before any of
them runs, by what the component has (a `scan` is checked only if the cell has one). So the number of checks
is known, and none is skipped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from seqkit.errors import ContractError, SeqkitError


class CheckFailedError(SeqkitError):
    """A component does not satisfy its contract."""

    exit_code = 1


class Case(Protocol):
    """A component with its config, as the checks need it."""

    @property
    def name(self) -> str:
        """Name for reports."""

    def prepare(self) -> None:
        """Raise if the component does not exist or the config is wrong: no check would mean anything."""

    @property
    def expected_failures(self) -> Mapping[str, str]:
        """Checks that are expected to fail, each with the reason."""


C = TypeVar("C", bound=Case)
C_contra = TypeVar("C_contra", contravariant=True)


@dataclass(frozen=True)
class Check(Generic[C_contra]):
    """One requirement of the contract."""

    name: str
    function: Callable[[C_contra], None]
    applies: Callable[[C_contra], bool]

    @property
    def says(self) -> str:
        """What it checks, in a sentence."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


class CheckList(Generic[C]):
    """The checks of one kind of component, in the order of their definition."""

    def __init__(self) -> None:
        self._checks: list[Check[C]] = []

    def check(
        self, function: Callable[[C], None], *, applies: Callable[[C], bool] = lambda case: True
    ) -> Callable[[C], None]:
        """Add a check; its name is that of the function without `check_`."""
        self._checks.append(Check(function.__name__.removeprefix("check_"), function, applies))
        return function

    def where(self, applies: Callable[[C], bool]) -> Callable[[Callable[[C], None]], Callable[[C], None]]:
        """Add a check for the cases that it applies to."""
        return lambda function: self.check(function, applies=applies)

    def applying_to(self, case: C) -> list[Check[C]]:
        """The checks that apply to a case."""
        case.prepare()
        unknown = set(case.expected_failures) - {check.name for check in self._checks}
        if unknown:
            raise CheckFailedError(
                f"expected_failures has names that are not checks: {', '.join(sorted(unknown))}.\n"
                "  Use the names of checks as the report shows them."
            )
        return [check for check in self._checks if check.applies(case)]

    def not_applying_to(self, case: C) -> list[Check[C]]:
        """The checks that do not apply to a case."""
        return [check for check in self._checks if not check.applies(case)]


@dataclass(frozen=True)
class Result:
    """Result of one check."""

    check: str
    says: str
    passed: bool
    expected_failure: str | None
    message: str
    names_contract: bool = False
    """Whether the message states what the contract of the component requires."""


@dataclass(frozen=True)
class Report:
    """Results of all checks of a case."""

    case: str
    total: int
    """Number of checks that apply."""
    results: Sequence[Result]
    not_applicable: Sequence[str]

    @property
    def passed(self) -> bool:
        """Whether every check passed, or failed as expected."""
        return all(result.passed for result in self.results)

    @property
    def summary(self) -> str:
        """Such as `"41 of 41 checks ran, 41 passed"`, with the number of expected failures."""
        ran = len(self.results)
        expected = sum(result.expected_failure is not None for result in self.results)
        good = sum(result.passed for result in self.results) - expected
        text = f"{ran} of {self.total} checks ran, {good} passed"
        if expected:
            text += f", {expected} failed as expected"
        failed = sum(not result.passed for result in self.results)
        return text + (f", {failed} FAILED" if failed else "")


def run_case(checks: CheckList[C], case: C, only: Collection[str] = ()) -> Report:
    """Run all checks that apply, or only some; any exception in a check is a failure."""
    results = []
    applying = checks.applying_to(case)
    for check in applying:
        if only and check.name not in only:
            continue
        reason = case.expected_failures.get(check.name)
        message, names_contract = "", False
        try:
            check.function(case)
        except Exception as error:
            names_contract = isinstance(error, ContractError)
            message = (
                str(error) if isinstance(error, CheckFailedError) else f"{type(error).__name__}: {error}"
            )
        failed = bool(message)
        if reason is not None and not failed:
            message = (
                f"the check was expected to fail ({reason}), but it passes.\n"
                "  Remove it from expected_failures."
            )
        passed = failed == (reason is not None)
        results.append(Result(check.name, check.says, passed, reason, message, names_contract))
    return Report(case.name, len(applying), results, [check.name for check in checks.not_applying_to(case)])


def require(condition: Any, message: str) -> None:
    """Raise CheckFailedError if the condition is false."""
    if not condition:
        raise CheckFailedError(message)
