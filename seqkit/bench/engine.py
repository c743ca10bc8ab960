"""Speed of the engines on a plain step, next to a loop, torch's layers, and the matrix products alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit.bench.steps import CELLS
from seqkit.engine import unroll

VOCAB_SIZE = 65
SHAPES = ((32, 100, 128), (64, 100, 256), (64, 100, 512))
ENGINES = ("fused", "compiled")


def measure(
    cells: Sequence[str] = tuple(CELLS), shapes: Sequence[tuple[int, int, int]] = SHAPES, *, repeats: int = 12
) -> list[dict[str, Any]]:
    """Milliseconds of one forward and backward pass: medians of alternating measurements.

    One-hot input of 65, readout to 65, cross entropy. The loop does all of it at every step, as the
    article does. Torch's layer and the engines compute readout and loss for all steps at once. The floor is
    the matrix products alone (of the recurrence, the weight gradient and the readout), by `torch.mm`.

    Args:
        cells: names of `seqkit.bench.steps.CELLS`.
        shapes: batch, time, hidden.
        repeats: number of measurements of each contender, after two that are not counted.
    """
    rows = []
    for batch, seq_len, hidden_size in shapes:
        for name in cells:
            torch.manual_seed(0)
            contenders = _contenders(name, batch, seq_len, hidden_size)
            times: dict[str, list[float]] = {contender: [] for contender in contenders}
            for _ in range(repeats + 2):
                for contender, run in contenders.items():
                    start = time.perf_counter()
                    run()
                    times[contender].append((time.perf_counter() - start) * 1e3)
            ms = {contender: statistics.median(values[2:]) for contender, values in times.items()}
            rows.append(_row(name, (batch, seq_len, hidden_size), ms))
    return rows


def _row(name: str, shape: tuple[int, int, int], ms: dict[str, float]) -> dict[str, Any]:
    best = min(ms[engine] for engine in ENGINES)
    return {
        "cell": name,
        "shape": "x".join(map(str, shape)),
        "ms": ms,
        "ratios": {f"{other}/best": ms[other] / best for other in ms if other not in ENGINES},
    }


def _contenders(name: str, batch: int, seq_len: int, hidden_size: int) -> dict[str, Callable[[], None]]:
    """Functions without arguments that each do one forward and backward pass, with gradients from zero."""
    make, layer, products = CELLS[name]
    cell, head = make(VOCAB_SIZE, hidden_size), nn.Linear(hidden_size, VOCAB_SIZE)
    ids = torch.randint(VOCAB_SIZE, (seq_len + 1, batch))
    x, targets = ids[:-1], ids[1:]  # (T, B)
    rows = F.one_hot(x, VOCAB_SIZE).float()
    modules: list[nn.Module] = [cell, head]

    def loss_of(hidden: Tensor) -> Tensor:
        return F.cross_entropy(head(hidden).flatten(0, 1), targets.flatten())

    def run(loss: Callable[[], Tensor]) -> Callable[[], None]:
        def once() -> None:
            for module in modules:
                module.zero_grad()
            loss().backward()  # type: ignore[no-untyped-call]  # torch has not typed it

        return once

    def loop() -> Tensor:
        state, total = cell.initial_state(batch), torch.zeros(())
        for x_t, target in zip(rows, targets, strict=True):
            output, state = cell.step(x_t, state)
            total = total + F.cross_entropy(head(output), target)
        return total / seq_len

    contenders = {"loop": run(loop)}
    if layer is not None:
        theirs: Any = layer(VOCAB_SIZE, hidden_size)
        modules.append(theirs)
        contenders["torch.nn"] = run(lambda: loss_of(theirs(rows)[0]))
    for engine in ENGINES:
        contenders[engine] = run(
            lambda engine=engine: loss_of(unroll(cell, x.t(), engine=engine)[0].transpose(0, 1))  # type: ignore[misc]
        )
    contenders["floor"] = _floor(products, batch, seq_len, hidden_size)
    return contenders


def _floor(products: int, batch: int, seq_len: int, hidden_size: int) -> Callable[[], None]:
    """The matrix products of a pass alone, into memory that is allocated before."""
    wide = products * hidden_size
    h, gates = torch.zeros(batch, hidden_size), torch.zeros(batch, wide)
    matrix, back = torch.randn(hidden_size, wide), torch.randn(wide, hidden_size)
    all_h, all_gates = torch.randn(seq_len * batch, hidden_size), torch.randn(seq_len * batch, wide)
    readout, logits = torch.randn(hidden_size, VOCAB_SIZE), torch.empty(seq_len * batch, VOCAB_SIZE)

    def once() -> None:
        for _ in range(seq_len):
            torch.mm(h, matrix, out=gates)
        torch.mm(all_h, readout, out=logits)
        torch.mm(logits, readout.t())
        torch.mm(all_h.t(), logits)
        for _ in range(seq_len):
            torch.mm(gates, back, out=h)
        torch.mm(all_h.t(), all_gates)
        h.zero_()

    return once


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Plot a bar for each contender, a group for each cell, and a panel for each shape."""
    from matplotlib.figure import Figure

    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    figure = Figure(figsize=(4.5 * len(shapes), 4), layout="constrained")
    for index, shape in enumerate(shapes):
        axes = figure.add_subplot(1, len(shapes), index + 1)
        here = [row for row in rows if row["shape"] == shape]
        names = list(dict.fromkeys(name for row in here for name in row["ms"]))
        for place, name in enumerate(names):
            at = [i + (place - len(names) / 2) * 0.16 for i, row in enumerate(here) if name in row["ms"]]
            axes.bar(at, [row["ms"][name] for row in here if name in row["ms"]], 0.16, label=name)
        axes.set_xticks(range(len(here)), [row["cell"] for row in here])
        axes.set_title(shape)
        axes.set_ylabel("ms, forward and backward")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    figure.savefig(path, dpi=120)
