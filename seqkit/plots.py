"""Pictures, from plain metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def plot_loss(rows: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Training and validation loss over steps, as a PNG.

    Args:
        rows: of `metrics.jsonl`: `step`, `split`, `loss`.
        path: of the file.
        title: what was trained.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for split, style in (
        ("train", {"color": "#9db4c8"}),
        ("validation", {"color": "#c0392b", "marker": "o", "markersize": 3}),
    ):
        points = [(row["step"], row["loss"]) for row in rows if row["split"] == split]
        if points:
            steps, losses = zip(*points, strict=True)
            axes.plot(steps, losses, label=f"{split} (last {losses[-1]:.3f})", **style)
    axes.set(xlabel="step", ylabel="loss (nats per token)", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
