"""Time of a training step while other programs keep cores busy, with torch's threads and with ours."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

import seqkit.cores
from seqkit.bench.steps import CELLS
from seqkit.data import Batch
from seqkit.model import SequenceModel
from seqkit.training import Trainer

VOCAB_SIZE, BATCH_SIZE, SEQ_LEN, HIDDEN_SIZE = 65, 32, 100, 256
THREADS = ("torch's", "free cores")
WORKS = "print(flush=True)\nwhile True: pass"


def measure(
    cells: tuple[str, ...] = ("rnn", "lstm"),
    busy: tuple[int, ...] = (0, 1, 2),
    *,
    seconds: float = 5.0,
    repeats: int = 3,
) -> list[dict[str, Any]]:
    """Milliseconds of a training step, in new processes that alternate: with torch's threads, and with ours.

    Args:
        cells: names of `seqkit.bench.steps.CELLS`, at 32 x 100 x 256.
        busy: numbers of other processes that keep a core busy.
        seconds: duration of the steps in each process.
        repeats: number of processes of each kind.
    Returns:
        A row for each cell and number of busy processes: the medians, the numbers of threads, and the median
        of torch's time divided by ours in the same turn.
    """
    return [_measure(cell, count, seconds, repeats) for cell in cells for count in busy]


def _measure(cell: str, busy: int, seconds: float, repeats: int) -> dict[str, Any]:
    runs: dict[str, list[tuple[float, int]]] = {name: [] for name in THREADS}
    with _kept_busy(busy):
        for _ in range(repeats):
            for name, found in runs.items():
                found.append(_in_a_process(cell, name, seconds))
    times = {name: [ms for ms, _ in found] for name, found in runs.items()}
    ratios = [theirs / ours for theirs, ours in zip(*times.values(), strict=True)]
    return {
        "cell": cell,
        "busy": busy,
        "ms": {name: statistics.median(found) for name, found in times.items()},
        "threads": {name: [threads for _, threads in found] for name, found in runs.items()},
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


@contextmanager
def _kept_busy(processes: int) -> Iterator[None]:
    command = [sys.executable, "-c", WORKS]
    working = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    try:
        for process in working:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in working:
            process.kill()
            process.wait()


def _in_a_process(cell: str, threads: str, seconds: float) -> tuple[float, int]:
    """Milliseconds per step, and the number of threads that computed it."""
    environment = {
        name: value for name, value in os.environ.items() if name not in seqkit.cores.CHOSEN_BY_HAND
    }
    command = [sys.executable, "-m", "seqkit.bench.busy", cell, threads, str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    ms, count = done.stdout.split()
    return float(ms), int(count)


def main(cell: str, threads: str, seconds: str) -> None:
    """Print milliseconds per step and the number of threads."""
    if threads != THREADS[0]:
        seqkit.cores.leave_busy_cores()
    torch.manual_seed(0)
    ids = torch.randint(VOCAB_SIZE, (SEQ_LEN + 1, BATCH_SIZE))
    batches = [Batch(ids[:-1].t(), ids[1:].t())]
    model = SequenceModel(CELLS[cell][0](VOCAB_SIZE, HIDDEN_SIZE))
    trainer = Trainer(model, torch.optim.AdamW(model.parameters(), lr=1e-3), state="carry", audit=False)
    trainer.fit(batches * 3, steps=3)
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < float(seconds):
        trainer.fit(batches, steps=1)
        steps += 1
    print((time.perf_counter() - began) / steps * 1e3, torch.get_num_threads())


if __name__ == "__main__":
    main(*sys.argv[1:])
