"""Pictures of training: losses, cells and recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from seqkit.plots.titles import SIZE, set_title, wrapped
from seqkit.plots.writing import write


def plot_loss(
    rows: Sequence[Mapping[str, Any]], path: Path, title: str, unit: str = "nats per token"
) -> None:
    """Training and validation loss over steps, as a PNG.

    Args:
        rows: rows of `metrics.jsonl`: `step`, `split`, `loss`.
        path: file to write.
        title: title, which says what was trained.
        unit: unit of the loss.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    styles: dict[str, dict[str, Any]] = {
        "train": {"color": "#7d9cb8", "marker": ".", "markersize": 3},
        "validation": {"color": "#c0392b", "marker": "o", "markersize": 3},
    }
    for split, style in styles.items():
        points = [(row["step"], row["loss"]) for row in rows if row["split"] == split]
        if points:
            steps, losses = zip(*points, strict=True)
            lowest = f", lowest {min(losses):.3f}" if split == "validation" else ""
            axes.plot(steps, losses, label=f"{split}{lowest}", **style)
    axes.set(xlabel="step", ylabel=f"loss ({unit})")
    set_title(axes, title)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend()
    write(figure, path)


def plot_cells(rows: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Compare cells: validation bits per character over steps, and the best values with intervals.

    Args:
        rows: `cell`, `curve` (steps and bits per character) and `bits_per_char` (`mean`, `interval_95`).
        path: file to write.
        title: title, which says what they were trained on.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    curves, ends = figure.subplots(1, 2, width_ratios=(3, 2))
    for index, row in enumerate(rows):
        steps, bits = zip(*row["curve"], strict=True)
        curves.plot(steps, bits, label=row["cell"], color=f"C{index}")
        score = row["bits_per_char"]
        low, high = score["interval_95"]
        ends.errorbar(
            index, score["mean"], [[score["mean"] - low], [high - score["mean"]]], fmt="o", capsize=4
        )
    curves.set(xlabel="step", ylabel="validation bits per character")
    curves.legend()
    ends.set_xticks(range(len(rows)), [row["cell"] for row in rows])
    ends.set(ylabel="best, mean and 95 % interval over seeds")
    for axes in (curves, ends):
        axes.grid(alpha=0.3)
    figure.suptitle(wrapped(title, figure), parse_math=False, fontsize=SIZE)
    write(figure, path)


def plot_recipes(rows: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Compare recipes: validation loss over seconds and over tokens seen, one line per seed.

    Args:
        rows: `recipe`, and `curves`: for each seed, points of seconds, tokens and loss.
        path: file to write.
        title: title, which says what the trainings had in common.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for index, row in enumerate(rows):
        for seed, curve in enumerate(row["curves"]):
            seconds, tokens, losses = zip(*curve, strict=True)
            for axes, at in zip(panels, (seconds, [count / 1e6 for count in tokens]), strict=True):
                label = row["recipe"] if seed == 0 else None
                axes.plot(at, losses, color=f"C{index}", linewidth=1, alpha=0.8, label=label)
    lowest = min(loss for row in rows for curve in row["curves"] for *_, loss in curve)
    panels[0].set(xlabel="seconds of training", ylabel="validation loss (nats per token)")
    panels[0].set_ylim(lowest - 0.03, lowest + 0.7)
    panels[1].set(xlabel="million tokens seen")
    panels[1].legend()
    for axes in panels:
        axes.grid(alpha=0.3)
    figure.suptitle(wrapped(title, figure), parse_math=False, fontsize=SIZE)
    write(figure, path)
