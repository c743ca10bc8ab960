"""The hooks that a plugin may implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from seqkit.plugin import (
    CellPlugin,
    EncoderPlugin,
    HeadPlugin,
    RecipePlugin,
    SourcePlugin,
    TaskPlugin,
    TokenizerPlugin,
)

if TYPE_CHECKING:
    import click

    from seqkit.plugin import Run

hookspec = pluggy.HookspecMarker("seqkit")


@hookspec
def seqkit_cells() -> Sequence[CellPlugin]:
    """Declare cells."""
    return ()


@hookspec
def seqkit_tokenizers() -> Sequence[TokenizerPlugin]:
    """Declare tokenizers."""
    return ()


@hookspec
def seqkit_sources() -> Sequence[SourcePlugin]:
    """Declare sources."""
    return ()


@hookspec
def seqkit_encoders() -> Sequence[EncoderPlugin]:
    """Declare encoders."""
    return ()


@hookspec
def seqkit_heads() -> Sequence[HeadPlugin]:
    """Declare heads."""
    return ()


@hookspec
def seqkit_tasks() -> Sequence[TaskPlugin]:
    """Declare kinds of tasks."""
    return ()


@hookspec
def seqkit_recipes() -> Sequence[RecipePlugin]:
    """Declare recipes, so that `seqkit run NAME` finds them."""
    return ()


@hookspec
def seqkit_run_started(run: Run) -> None:
    """Training begins: the run directory has its recipe and provenance, the model its initial weights."""


@hookspec
def seqkit_step_finished(run: Run, step: int, metrics: Mapping[str, Any]) -> None:
    """An optimizer step is done.

    `metrics` holds `epoch`, `loss` (nats per token), `tokens`, `gradient_norm` and `learning_rate`.
    """


@hookspec
def seqkit_evaluated(run: Run, step: int, split: str, metrics: Mapping[str, Any]) -> None:
    """A whole split was evaluated after this step.

    `metrics` holds `loss`, `tokens`, `bits_per_char`, `bits_per_byte` and `perplexity`.
    """


@hookspec
def seqkit_checkpoint_saved(run: Run, path: Path) -> None:
    """The weights in `path` are complete on disk."""


@hookspec
def seqkit_run_finished(run: Run) -> None:
    """Training is over: the last weights and `loss.png` are written, and `run.model` has its best weights."""


@hookspec
def seqkit_commands(cli: click.Group) -> None:
    """Add commands to the `seqkit` command line: `cli.add_command(...)`."""
