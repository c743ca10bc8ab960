"""Files that a user has put into the clone are not checked."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["lint", "test"])
def test_make_looks_at_the_projects_own_folders_only(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    ruff = [line.split() for line in done.stdout.splitlines() if "/ruff " in line]
    assert len(ruff) == 2
    for words in ruff:
        looked_at = [word for word in words[2:] if not word.startswith("-")]
        assert looked_at == ["docs", "plugins", "seqkit", "tests"]
        assert all((ROOT / folder).is_dir() for folder in looked_at)
