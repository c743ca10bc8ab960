"""Virtual environments on top of this one: they also have its packages, but their own come first."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path


class Environment:
    """A separate environment that downloads nothing."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True, symlinks=True)
        self.python = folder / "bin" / "python"
        site = next(folder.glob("lib/python*/site-packages"))
        here = next(path for path in sys.path if path.endswith("site-packages"))
        # addsitedir, so that editable installations in this environment are found too.
        (site / "over.pth").write_text(f"import site; site.addsitedir({here!r})\n")

        # Otherwise its old setuptools would hide the one that torch requires.
        self.run("pip", "uninstall", "--quiet", "--yes", "setuptools")

    def run(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run `python -m ...` in it; `cwd` and `env` are passed to `subprocess.run`."""
        return subprocess.run(
            [self.python, "-m", *words], capture_output=True, text=True, check=False, **options
        )  # type: ignore[call-overload, no-any-return]

    def install(self, *what: str) -> None:
        """Install with the packages that are here already, without a network."""
        flags = ("--quiet", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
        done = self.run("pip", "install", *flags, *what)
        assert done.returncode == 0, done.stderr


def only(distribution: str, others: list[str]) -> dict[str, str]:
    """Environment variables that block the other plugins."""
    blocked = ",".join(name for name in others if name != distribution)
    return {**os.environ, "SEQKIT_DISABLE_PLUGINS": blocked}
