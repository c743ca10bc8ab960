"""The command line, run in this process: a new one would spend seconds on its imports."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest

from seqkit.cli import main


def command(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `seqkit ARGUMENTS`; return what it prints on both streams, and its exit code."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for name in ("stdout", "stderr")}
    code: object = 0
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []  # the program sets its own
    level = logging.getLogger("seqkit").level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["seqkit", *arguments])
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        if stdin is not None:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            root.handlers = handlers
            logging.getLogger("seqkit").setLevel(level)
            for stream in streams.values():
                stream.flush()
    printed = {name: stream.buffer.getvalue().decode() for name, stream in streams.items()}  # type: ignore[attr-defined]  # a BytesIO
    return subprocess.CompletedProcess(arguments, code if isinstance(code, int) else 1, **printed)
