"""What a user installs: the wheel, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_all_that_a_run_needs(workdir: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = Path("dist").glob("seqkit-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "seqkit/recipes/quickstart.toml" in names
    assert "seqkit/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "docs"))]

    # Over this environment, so that torch is not installed again; seqkit itself comes from the wheel.
    venv.create("env", with_pip=True, symlinks=True)
    python = str(Path("env/bin/python").absolute())
    site = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True)
    here = next(path for path in sys.path if path.endswith("site-packages"))
    Path(site, "over.pth").write_text(f"import sys; sys.path.append({here!r})\n")
    where = subprocess.run(
        [python, "-c", "import seqkit; print(seqkit.__file__)"], capture_output=True, text=True, check=True
    ).stdout
    assert "/env/" in where
    done = subprocess.run(
        ["env/bin/seqkit", "run", "quickstart", "train.steps=5", "--out", "run"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--- a sample ---" in done.stdout
