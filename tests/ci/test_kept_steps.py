"""Compiled steps on disk: a second process reads them back, and never another number."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from seqkit.engine.compile import store

PROGRAM = """
import logging, sys, torch
import seqkit
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
torch.set_num_threads(1)
torch.manual_seed(0)
cell = seqkit.cells.RNN(5, 8)
outputs, _ = seqkit.unroll(cell, torch.randint(5, (3, 7)), engine="compiled")
outputs.sum().backward()
print(hash(tuple(float(each) for weight in cell.parameters() for each in weight.grad.flatten())))
print("compiled" if "torch._inductor.graph" in sys.modules else "read")
"""


def start() -> subprocess.Popen[str]:
    line = [sys.executable, "-c", PROGRAM]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    """The digest of its gradients, whether it compiled, and what it said."""
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    digest, how = printed.split()
    return digest, how, said


@pytest.fixture
def files(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what is kept, which is empty yet."""
    monkeypatch.setenv("SEQKIT_CACHE", str(workdir / "own"))
    return store.folder()


def test_what_is_kept_is_read_back_or_compiled_again(files: Path) -> None:
    compiled, how, _ = ended(start())
    assert how == "compiled"
    assert len(list(files.iterdir())) == 2  # the forward loop and the backward loop
    assert ended(start()) == (compiled, "read", "")
    chance = random.Random(0)
    for file in files.iterdir():
        data = bytearray(file.read_bytes())
        for _ in range(20):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
    digest, how, said = ended(start())
    assert (digest, how) == (compiled, "compiled")
    assert said.count("is compiled again: its digest differs") == 2
    assert ended(start()) == (compiled, "read", "")
    files.chmod(0o777)
    digest, how, said = ended(start())
    assert (digest, how) == (compiled, "compiled")
    assert "is not a folder that you alone may write to" in said
    assert "each process compiles" in said


def test_two_processes_at_once(files: Path) -> None:
    one, other = (ended(process) for process in [start(), start()])
    assert one[0] == other[0]
    assert ended(start()) == (one[0], "read", "")
