"""Progress of a training: a bar on a terminal, and a line at every evaluation."""

from __future__ import annotations

import time
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from seqkit.cli.foreign import shown

SHOWN_FROM = 10_000_000  # characters: a shorter text is tokenised too fast for a bar
LINE_EVERY_S = 10.0  # if there are no evaluations that print a line


class Progress:
    """A callback of the trainer; it prints to standard error, and the bar only to a terminal.

    Args:
        name: the name shown for the training.
        position: what a step predicts: a token of a text, or a row of a series.
        lines: whether each evaluation is printed on a line.
    """

    def __init__(self, name: str, position: str = "token", *, lines: bool = True) -> None:
        self._name, self._position, self._lines = shown(name, err=True), position, lines
        self._console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        self.summary = ""
        self._reading: TaskID | None = None
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figure]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()  # otherwise an error would leave the terminal's cursor hidden

    def text_tokenised(self, characters: int, total: int | None) -> None:
        """Move the bar of tokenising; it is shown only for a long text."""
        if self._bar.disable or (self._reading is None and characters < SHOWN_FROM):
            return
        if self._reading is None:
            self._reading = self._bar.add_task("tokenising", total=total, figure="")
            self._bar.start()
        self._bar.update(self._reading, completed=characters)

    def run_started(self, trainer: Any) -> None:
        """Print what is trained, and show the bar."""
        parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
        cell = type(trainer.model.cell).__name__
        if self._lines:
            self._console.print(
                f"training {self._name}: {cell}, {parameters:,} parameters, on {trainer.device}, "
                f"state {trainer.state}"
            )
        if self._reading is not None:
            self._bar.remove_task(self._reading)
        self._task = self._bar.add_task(escape(self._name), total=1.0, figure="")
        self._bar.start()
        self._began = self._printed = time.perf_counter()

    def step_finished(self, trainer: Any, step: int, metrics: dict[str, Any]) -> None:
        """Move the bar. The loss shown is a mean of the last steps, because single batches are noisy."""
        loss = trainer.meter.recent_loss
        if not self._bar.disable:
            self._bar.update(self._task, completed=trainer.budget.progress, figure=f"loss {loss:.3f}")
        if time.perf_counter() - self._printed > LINE_EVERY_S:
            self._print_line(trainer, step, f"train {loss:.3f}")

    def evaluated(self, trainer: Any, step: int, split: str, metrics: dict[str, Any]) -> None:
        """Print a line with the losses."""
        bits = f" ({metrics['bits_per_char']:.3f} bits/char)" if "bits_per_char" in metrics else ""
        best = " *" if trainer.history.best.step == step else ""
        loss = trainer.meter.recent_loss
        self._print_line(trainer, step, f"train {loss:.3f}  {split} {metrics['loss']:.3f}{bits}{best}")

    def run_finished(self, trainer: Any) -> None:
        """Remove the bar and write the summary."""
        self._bar.stop()
        history = trainer.history
        tokens_per_s = history.tokens / history.training_s
        self.summary = (
            f"ended by {history.ended_by}, at step {trainer.budget.step:,}, "
            f"{tokens_per_s:,.0f} {self._position}s/s"
        )
        if trainer.model.engine_ran is not None:  # else no step was taken
            self.summary += f"\nengine {engine_of(trainer.model)}"
        if history.best is not None:
            best = history.best
            unit = " nats per token" if self._position == "token" else ""
            self.summary += f"\nlowest validation loss {best.loss:.4f}{unit}, at step {best.step:,}"
        if not self._lines:
            self._console.print(f"{self._name}: {self.summary}".replace("\n", "; "))

    def _print_line(self, trainer: Any, step: int, text: str) -> None:
        now = time.perf_counter()
        self._printed = now
        if not self._lines:
            return
        speed = trainer.history.tokens / max(trainer.history.training_s, 1e-9)
        self._console.print(
            f"step {step:>6,}  {now - self._began:5.0f} s  {text}  {speed:,.0f} {self._position}s/s"
        )


def engine_of(model: Any) -> str:
    """The engine that trained a model, with the reason if it was the plain loop."""
    from seqkit.engine import refusals_of

    layers = getattr(model.cell, "cells", [model.cell])
    reasons = dict.fromkeys(reason.split("\n", 1)[0] for layer in layers for reason in refusals_of(layer))
    return ": ".join([str(model.engine_ran), *list(reasons)[:1]])
