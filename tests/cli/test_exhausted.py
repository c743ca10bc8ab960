"""A full disk or exhausted memory ends a command with a short message."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seqkit.cli import _exhausted


@pytest.mark.parametrize("allowed", [2_000, 20_000])
@pytest.mark.ci
def test_a_full_disk_leaves_no_run_behind(text_file: Path, allowed: int) -> None:
    """The disk is full at the first file of the run, or at its weights."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, allowed))

    changes = ["train.steps=5", "train.batch_size=4", "train.seq_len=20", "cell.hidden_size=64"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "seqkit",
            "run",
            "quickstart",
            "--data",
            str(text_file),
            "--out",
            "a",
            *changes,
        ],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr
    assert "space" in done.stderr  # the remedy: free some space, or choose a place that has it
    assert not Path("a").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/metrics.jsonl"),
            "the disk is full: /x/metrics.jsonl",
        ),
        (MemoryError(), "there is not enough memory (MemoryError)"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
            "not enough memory (CUDA out of",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "there is not enough memory"),
        (RuntimeError("something else"), None),
        (OSError(errno.ENOENT, "No such file or directory", "/x"), None),
    ],
)
def test_messages(error: Exception, said: str | None) -> None:
    found = _exhausted(error)
    assert found is None if said is None else found is not None and said in found
