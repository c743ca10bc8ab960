"""The wheel, as a user installs it, in a separate environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.ci.environments import Environment

ROOT = Path(__file__).parents[2]


def test_the_wheel_has_everything_that_a_run_needs(workdir: Path) -> None:
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "dist"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *flags, str(ROOT)], check=True)
    (wheel,) = Path("dist").glob("seqkit-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "seqkit/recipes/quickstart.toml" in names
    assert "seqkit/recipes/data/seqkit-docs/train.jsonl" in names
    assert "seqkit/scaffold/cell/component.py.txt" in names
    assert "seqkit/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "docs", "plugins"))]

    environment = Environment(Path("env"))
    environment.install("--no-deps", str(wheel.absolute()))
    where = subprocess.run(
        [environment.python, "-c", "import seqkit; print(seqkit.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "/env/" in where
    done = environment.run("seqkit", "run", "quickstart", "train.steps=5", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "--- a sample ---" in done.stdout
    done = environment.run("seqkit", "new", "cell", "mine")
    assert done.returncode == 0, done.stderr
