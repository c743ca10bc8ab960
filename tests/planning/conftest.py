"""A plan times steps for three seconds; the tests shorten that to a few steps."""

from __future__ import annotations

import pytest

from seqkit.planning import timing


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TIMED_S", 0.0)
    monkeypatch.setattr(timing, "EVALUATION_S", 0.0)
