"""`seqkit run --plan`: the time and memory a training would take, and what to change before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from seqkit.cli.output import print_json

if TYPE_CHECKING:
    from seqkit.planning import Plan


def show_plan(recipe: Any, plugins: Sequence[str], seeds: int | None, as_json: bool) -> None:
    """Time a few steps of the recipe, and print what the whole training would take."""
    from seqkit.cli.progress import Progress
    from seqkit.planning import plan

    with Progress(recipe.name) as progress:
        found = plan(recipe, plugins=plugins, callbacks=[progress])
    if as_json:
        print_json(found.as_dict())
        return
    rows = [*_model_rows(found), *_time_rows(found, seeds), *_memory_rows(found)]
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        click.echo(f"{label:<{width}}  {value}")
    if found.warnings:
        click.echo("\nWarnings:")
    for warning in found.warnings:
        click.echo(f"- {warning}")
    sizes = " ".join(f"{key}={size}" for key, size in found.sizes.items())
    click.echo(f"\nSizes for this text: {sizes}")
    if found.overrides:
        click.echo(f"To change: {' '.join(found.overrides)}")
    click.echo("Nothing was trained, and no run was made.")


def _model_rows(plan: Plan) -> list[tuple[str, str]]:
    threads = f"{plan.threads} thread" if plan.threads == 1 else f"{plan.threads} threads"
    splits = [
        (split, f"{counts.tokens:,} tokens, {counts.characters:,} characters")
        for split, counts in plan.splits.items()
    ]
    return [
        ("cell", f"{plan.cell}, on {plan.device}, engine {plan.engine}, {threads}"),
        ("parameters", f"{plan.parameters:,}, of which {plan.head_parameters:,} are in the head"),
        ("vocabulary", f"{plan.vocabulary.size:,} tokens ({plan.tokenizer})"),
        *splits,
    ]


def _time_rows(plan: Plan, seeds: int | None) -> list[tuple[str, str]]:
    from seqkit.planning.figures import duration

    speed, expected = plan.speed, plan.expected
    earlier = ", or fewer by patience" if expected.patience else ""
    what = "compiling" if "compiled" in plan.engine else "tracing"
    rows = [
        (
            "speed",
            f"{speed.tokens_per_s:,.0f} tokens/s, {speed.step_ms:.1f} ms per step, {speed.timed_steps} timed",
        ),
        ("epoch", f"{plan.steps_per_epoch:,} steps"),
        ("budget", f"{expected.ended_by}: {expected.steps:,} steps, {expected.epochs:,.2f} epochs{earlier}"),
        ("training", duration(expected.training_s)),
        (what, duration(expected.preparation_s)),
    ]
    if expected.evaluations:
        rows.append(("evaluations", f"{duration(expected.evaluation_s)}, {expected.evaluations:,} of them"))
    rows.append(("total", duration(expected.total_s)))
    if seeds is not None:
        rows.append((f"{seeds} seeds", duration(seeds * expected.total_s)))
    return rows


def _memory_rows(plan: Plan) -> list[tuple[str, str]]:
    memory = plan.memory
    grown = "unknown" if memory.growth is None else f"{memory.growth:,.0f} MB for the training"
    process = "" if memory.process is None else f", {memory.process:,.0f} MB for the whole process"
    free = "" if memory.available is None else f"; {memory.available:,.0f} MB are available"
    sizes = f"{memory.weights:,.1f} MB of weights, {memory.optimizer:,.1f} MB of the optimizer's state"
    return [
        ("memory", grown + process + free),
        ("", sizes),
        ("checkpoint", f"{memory.checkpoint:,.1f} MB on disk; a run keeps two, and the best weights"),
        ("a save", "unknown: cannot write here" if memory.save_s is None else f"{memory.save_s:.2g} s here"),
    ]
