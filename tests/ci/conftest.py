"""Counts the results of the operator tests at the end, from all test processes."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write one line: how many operators are equal, refused, wrong."""
    found = [
        dict(report.user_properties)["kinds"]
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if "kinds" in dict(report.user_properties)
    ]
    if not found:
        return
    forms: Counter[str] = sum(map(Counter, found), Counter())
    counts = [f"{sum({*kinds} == {'equal'} for kinds in found)} equal"]
    for kind in ("refused", "wrong", "raised", "not tried"):
        counts.append(f"{sum(kind in kinds for kinds in found)} {kind}")
    tried = forms.total() - forms["not tried"]
    terminalreporter.write_line(
        f"operators: {', '.join(counts)}; forms tried {tried}, of which {forms['equal']} equal"
    )
