"""Processes that begin in a moment: each is forked from one that has imported PyTorch and seqkit already."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess

IMPORTED = [
    "torch",
    "torch._dynamo",
    "seqkit",
    "seqkit.training.joining",
    "seqkit.run.training",
    "tests.forked",
]


def forking() -> ForkServerContext:
    """The context of such processes; the one that they are forked from has trained nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def run_seqkit(*words: str) -> CompletedProcess[str]:
    """Run the command `seqkit` in this directory, with this environment and one thread."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = start_seqkit(words, out, err)
        process.join()
        assert process.exitcode is not None
        return CompletedProcess(
            ["seqkit", *words], process.exitcode, out.read_text("utf-8"), err.read_text("utf-8")
        )


def start_seqkit(words: Sequence[str], out: Path, err: Path, **variables: str) -> BaseProcess:
    """Start the command, which writes to these files or terminals, with further environment variables."""
    environment = {**os.environ, **variables}
    process = forking().Process(target=_seqkit, args=(words, os.getcwd(), environment, out, err))
    process.start()
    return process


def _seqkit(words: Sequence[str], folder: str, environment: dict[str, str], out: Path, err: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY), number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8") for number in (1, 2))  # noqa: SIM115
    import torch

    from seqkit.__main__ import main

    torch.set_num_threads(1)
    sys.argv = ["seqkit", *words]
    main()
