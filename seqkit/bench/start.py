"""How soon an engine is ready in a new process: with nothing kept on disk, and with what it has kept."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

import torch

from seqkit.bench.steps import CELLS
from seqkit.engine import unroll

VOCAB_SIZE, BATCH_SIZE, SEQ_LEN, HIDDEN_SIZE = 65, 64, 100, 256
USUAL = ("rnn", "lstm", "lnlstm")
KINDS = (("loop", "loop"), ("fused", "fused"), ("first", "compiled"), ("again", "compiled"))


def measure(cells: Sequence[str] = USUAL, *, repeats: int = 3) -> list[dict[str, Any]]:
    """Seconds until the first unroll and its gradients are there, in new processes that alternate.

    The imports of PyTorch and seqkit do not count; those of the engine do.

    Args:
        cells: names of `seqkit.bench.steps.CELLS`, at 64 x 100 x 256.
        repeats: number of processes of each kind.
    Returns:
        A row for each cell: the medians of `loop`, `fused`, `first` (`compiled`, with nothing on disk) and
        `again` (`compiled`, with what the process before has kept).
    """
    return [_row(cell, repeats) for cell in cells]


def _row(cell: str, repeats: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {kind: [] for kind, _ in KINDS}
    for _ in range(repeats):
        with TemporaryDirectory() as cache:
            for kind, engine in KINDS:
                seconds[kind].append(_in_a_process(cell, engine, cache))
    return {"cell": cell, **{kind: statistics.median(found) for kind, found in seconds.items()}}


def _in_a_process(cell: str, engine: str, cache: str) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "seqkit.bench.start", cell, engine],
        env={**os.environ, "SEQKIT_CACHE": cache},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main(name: str, engine: str) -> None:
    """Print the seconds."""
    torch.manual_seed(0)
    cell = CELLS[name][0](VOCAB_SIZE, HIDDEN_SIZE)
    ids = torch.randint(VOCAB_SIZE, (BATCH_SIZE, SEQ_LEN))
    began = time.perf_counter()
    outputs, _ = unroll(cell, ids, engine=engine)
    outputs.sum().backward()  # type: ignore[no-untyped-call]  # torch has not typed it
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
