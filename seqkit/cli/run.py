"""`seqkit run`: train a recipe, show the loss fall, and print a sample."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from seqkit.cli.foreign import echo
from seqkit.cli.hints import WORDS
from seqkit.cli.output import json_option, plugin_option
from seqkit.cli.plan import show_plan
from seqkit.cli.ranks import (
    ranks_option,
    start_ranks,
    stop_after_option,
    stop_on_option,
    stopping,
    train,
)
from seqkit.cli.report import report_of
from seqkit.launch import rank


@click.command("run")
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--data",
    multiple=True,
    help="Train on this text (a file, folder or glob), table of texts (.jsonl, .csv, .parquet, ...) or price "
    "file instead of the recipe's source. May be given several times; the texts are joined in order.",
)
@click.option("--out", help="The run directory. [default: runs/RECIPE, then runs/RECIPE-2, ...]")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run in --out if it holds one; open it if its training is complete.",
)
@click.option(
    "--from",
    "init_from",
    metavar="DIR",
    help="Begin with the weights, and the tokenizer or scaler, of this run; the budget is new.",
)
@click.option(
    "--extend-vocabulary",
    is_flag=True,
    help="With --from: add the characters or words that only the new text has.",
)
@click.option("--strict-plugins", is_flag=True, help="Stop training at an exception in a plugin's hook.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="Number of trainings, each with its own seed, which are then summarised. "
    "[default: 1 on text, 5 on series]",
)
@click.option(
    "--plan",
    is_flag=True,
    help="Time a few steps, report the time and memory of the whole training, and train nothing.",
)
@ranks_option
@stop_after_option
@stop_on_option
@plugin_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    recipe: str,
    overrides: tuple[str, ...],
    data: tuple[str, ...],
    seeds: int | None,
    plan: bool,
    ranks: int,
    stop_after: str | None,
    stop_on: str | None,
    as_json: bool,
    plugins: tuple[str, ...],
    **options: Any,
) -> None:
    """Train RECIPE, and show the result.

    RECIPE is a name from `seqkit ls`, a .toml file, or a run, whose recipe is trained from scratch.

    KEY=VALUE overrides a key of the recipe: train.steps=500, cell.hidden_size=256, data.split=0.8,0.1,0.1;
    train.minutes=none leaves a key out.

    With --resume, the same command can be given again until the training is complete. With --from, the
    training begins with the weights of another run: to fine-tune it on other data, or to learn what is new.

    With --ranks, or under torchrun, several processes train the run together, as one would.

    Exit codes: 0 done, 1 the training failed, 2 a mistake in the command, 130 or 143 stopped by a signal and
    saved. After the last two the same command with --resume continues it.
    """
    from seqkit.recipe import Recipe
    from seqkit.registry import registry_with

    registry = registry_with(plugins)
    chosen = Recipe.load(recipe, registry)
    launches = ranks > 1 and not plan
    is_silent = launches or rank() > 0  # the first process says it
    if Path(recipe).is_dir() and not plan and not is_silent and options["init_from"] is None:
        echo(
            f"{recipe} is a run: its recipe is trained from scratch, with new weights, as a new run.",
            err=True,
        )
    if data:
        chosen = chosen.with_data(data)
    chosen = chosen.override(overrides)
    options["plugins"] = plugins
    resolved = chosen.resolve(registry)
    report = report_of(resolved)
    if data and not is_silent:
        report.show_source(data, resolved)
    if plan:
        show_plan(chosen, plugins, seeds, as_json)
        return
    seeds = seeds or resolved.task.declaration.seeds
    stops = stopping(stop_after, stop_on)
    if launches:
        start_ranks(ranks, ctx.find_root().meta[WORDS])
        return
    with stops:
        path = train(report, chosen, recipe, seeds, options, as_json, has_own_data=bool(data))
    if path is not None and _ended_higher(path):
        sys.exit(1)  # the trainer has logged that too


def _ended_higher(path: Path) -> bool:
    """Whether a training in this directory ended with a higher loss than it began with."""
    from seqkit.run import rundir

    return any(rundir.read_object(file).get("ended_higher") for file in path.rglob(rundir.ENDED))
