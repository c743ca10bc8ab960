"""A plan times for three seconds; a test has no use for so many steps."""

from __future__ import annotations

import pytest

from seqkit.planning import timing


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TIMED_S", 0.0)
    monkeypatch.setattr(timing, "EVALUATION_S", 0.0)
