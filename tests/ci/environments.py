"""Virtual environments over this one: what is installed there comes first, what is here is there too."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path


class Environment:
    """An environment of its own, in which nothing is fetched from a network."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True, symlinks=True)
        self.python = folder / "bin" / "python"
        site = next(folder.glob("lib/python*/site-packages"))
        here = next(path for path in sys.path if path.endswith("site-packages"))
        # addsitedir, so that the editable installations of that place are followed too.
        (site / "over.pth").write_text(f"import site; site.addsitedir({here!r})\n")

        # Else its old setuptools would hide the one that torch requires.
        self.run("pip", "uninstall", "--quiet", "--yes", "setuptools")

    def run(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run `python -m ...` there; `cwd` and `env` are handed on."""
        return subprocess.run(
            [self.python, "-m", *words], capture_output=True, text=True, check=False, **options
        )  # type: ignore[call-overload, no-any-return]

    def install(self, *what: str) -> None:
        """Install, with what is here already and without a network."""
        flags = ("--quiet", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
        done = self.run("pip", "install", *flags, *what)
        assert done.returncode == 0, done.stderr


def only(distribution: str, others: list[str]) -> dict[str, str]:
    """The environment variables with which the other plugins are blocked."""
    blocked = ",".join(name for name in others if name != distribution)
    return {**os.environ, "SEQKIT_DISABLE_PLUGINS": blocked}
