"""Processes that begin in a moment: each is forked from one that has imported PyTorch and seqkit already."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from multiprocessing.context import ForkServerContext
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
        process = forking().Process(target=_seqkit, args=(words, os.getcwd(), dict(os.environ), out, err))
        process.start()
        process.join()
        assert process.exitcode is not None
        return CompletedProcess(
            ["seqkit", *words], process.exitcode, out.read_text("utf-8"), err.read_text("utf-8")
        )


def _seqkit(words: tuple[str, ...], folder: str, environment: dict[str, str], out: Path, err: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8") for number in (1, 2))  # noqa: SIM115
    import torch

    from seqkit.__main__ import main

    torch.set_num_threads(1)
    sys.argv = ["seqkit", *words]
    main()
