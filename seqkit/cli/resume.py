"""`seqkit resume`: continue the training of a run."""

from __future__ import annotations

from pathlib import Path

import click

from seqkit.cli.data import name_data
from seqkit.cli.output import json_option, plugin_option
from seqkit.cli.report import report_of


@click.command("resume")
@click.argument("directory", metavar="DIR")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@plugin_option
@json_option
def command(directory: str, overrides: tuple[str, ...], plugins: tuple[str, ...], as_json: bool) -> None:
    """Continue the training of the run in DIR from its newest checkpoint.

    The result is that of a training that was never interrupted. KEY=VALUE changes the budget (train.steps,
    train.epochs, train.minutes), patience, intervals, learning rate, schedule, device or threads.

    DIR may hold several seeds: the one that stopped is continued, and those that did not begin are trained.
    """
    from seqkit.registry import registry_with
    from seqkit.run.resuming import recipe_of
    from seqkit.run.seeds import seeds_in

    registry = registry_with(plugins)
    recipe = recipe_of(directory, registry).override(overrides)
    resolved = recipe.resolve(registry)
    report = report_of(resolved)
    name_data(resolved, None, quiet=as_json)
    options = {"out": directory, "resume": True, "plugins": plugins, "strict_plugins": False}
    report.train(recipe, directory, seeds_in(Path(directory)), options, as_json, has_own_data=True)
