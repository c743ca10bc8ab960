"""The slow tests can be interrupted: what has passed on the same commit is not run again.

The file `.pytest_cache/slow-<commit>.txt` has the names; with changed files nothing is left out.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _record() -> Path | None:
    """The file of the names; None if the files differ from the commit."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    if not commit or git("status", "--porcelain", "--untracked-files=no"):
        return None
    (ROOT / ".pytest_cache").mkdir(exist_ok=True)
    return ROOT / f".pytest_cache/slow-{commit}.txt"


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    record = _record()
    if record is None or not record.exists():
        return
    passed = set(record.read_text("utf-8").splitlines())
    done = [item for item in items if item.nodeid in passed]
    config.hook.pytest_deselected(items=done)
    items[:] = [item for item in items if item.nodeid not in passed]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    record = _record()
    if record is not None and report.when == "call" and report.passed and "/slow/" in report.nodeid:
        with record.open("a", encoding="utf-8") as file:
            file.write(report.nodeid + "\n")
