"""`seqkit resume`: continue the training of a run."""

from __future__ import annotations

from pathlib import Path

import click

from seqkit.cli.data import name_data
from seqkit.cli.hints import WORDS
from seqkit.cli.output import json_option, plugin_option
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


@click.command("resume")
@click.argument("directory", metavar="DIR")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@ranks_option
@stop_after_option
@stop_on_option
@plugin_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    directory: str,
    overrides: tuple[str, ...],
    ranks: int,
    stop_after: str | None,
    stop_on: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Continue the training of the run in DIR.

    It continues from the newest checkpoint, and the result is that of a training that was never interrupted.
    KEY=VALUE changes the budget (train.steps, train.epochs, train.minutes), patience, intervals, learning
    rate, schedule, device or threads.

    DIR may hold several seeds: the one that stopped is continued, and those that did not begin are trained.
    """
    from seqkit.registry import registry_with
    from seqkit.run.resuming import recipe_of
    from seqkit.run.seeds import seeds_in

    registry = registry_with(plugins)
    recipe = recipe_of(directory, registry).override(overrides)
    resolved = recipe.resolve(registry)
    report = report_of(resolved)
    launches = ranks > 1
    name_data(resolved, None, quiet=as_json or launches or rank() > 0)
    options = {"out": directory, "resume": True, "plugins": plugins, "strict_plugins": False}
    seeds = seeds_in(Path(directory))
    stops = stopping(stop_after, stop_on)
    if launches:
        start_ranks(ranks, ctx.find_root().meta[WORDS])
        return
    with stops:
        train(report, recipe, directory, seeds, options, as_json, has_own_data=True)
