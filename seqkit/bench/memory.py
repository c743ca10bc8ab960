"""Memory of a forward and backward pass with each engine."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from seqkit import unroll
from seqkit.bench.steps import CELLS
from seqkit.resources import peak_growth, require_linux

VOCAB_SIZE = 65
NAMES = ("rnn", "gru", "lstm")
ENGINES = ("loop", "fused")


def measure(
    cells: tuple[str, ...] = NAMES,
    *,
    batch_size: int = 64,
    hidden_size: int = 256,
    times: tuple[int, ...] = (100, 400, 1600),
) -> list[dict[str, Any]]:
    """The growth of a process's peak memory in megabytes, each in a new process.

    A pass reads ids, and ends in a readout and a cross entropy. A few warm-up steps come first, so that what
    is loaded and compiled once is not counted. What an engine keeps for its next pass is counted.

    Args:
        cells: names of `seqkit.bench.steps.CELLS`.
        batch_size, hidden_size: the shape.
        times: numbers of steps; `checkpointed` is `fused` with `recompute_every` at their square root.
    Returns:
        A row for each cell and number of steps: `megabytes` of each engine.
    Raises:
        SeqkitError: the system does not report the peak memory of a process.
    """
    require_linux()
    rows = []
    for name in cells:
        for time in times:
            shape = (batch_size, time, hidden_size)
            found = {engine: _in_a_process(name, engine, None, *shape) for engine in ENGINES}
            found["checkpointed"] = _in_a_process(name, "fused", math.isqrt(time), *shape)
            rows.append({"cell": name, "shape": "x".join(map(str, shape)), "megabytes": found})
    return rows


def _in_a_process(*arguments: Any) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_growth, *arguments).result()


def _growth(
    name: str, engine: str, recompute_every: int | None, batch_size: int, time: int, hidden_size: int
) -> float:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cell, head = CELLS[name][0](VOCAB_SIZE, hidden_size), nn.Linear(hidden_size, VOCAB_SIZE)

    def train(time: int) -> None:
        ids, targets = torch.randint(VOCAB_SIZE, (2, batch_size, time))
        outputs, _ = unroll(cell, ids, engine=engine, recompute_every=recompute_every)
        logits = head(outputs.transpose(0, 1)).flatten(0, 1)
        F.cross_entropy(logits, targets.t().flatten()).backward()  # type: ignore[no-untyped-call]

    train(4 * (recompute_every or 1))
    return peak_growth(lambda: train(time))
