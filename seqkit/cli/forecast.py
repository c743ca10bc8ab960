"""`seqkit forecast`: a forecast from the last row."""

from __future__ import annotations

import click

from seqkit.cli.opening import step_option
from seqkit.cli.output import json_option, plugin_option, print_json


@click.command("forecast")
@click.argument("directory", metavar="DIR")
@click.argument("file", required=False)
@click.option(
    "--horizon", type=click.IntRange(min=1), help="Number of sessions ahead. [default: the recipe's]"
)
@click.option(
    "--paths",
    type=click.IntRange(min=10),
    default=1000,
    show_default=True,
    help="Number of sampled paths, if there is more than one session.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the sampled paths."
)
@step_option
@plugin_option
@json_option
def command(
    directory: str,
    step: int | None,
    file: str | None,
    horizon: int | None,
    paths: int,
    seed: int,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Forecast from the last row of the run's data, or of FILE.

    FILE is a newer price file. DIR is a run, or the directory above its seeds; the forecasts of several
    seeds are averaged.
    """
    from seqkit.cli.series import load_series_runs
    from seqkit.run.series import forecast_together

    runs = load_series_runs(directory, plugins, step)
    outlooks = forecast_together(runs, horizon, file, paths=paths, seed=seed)
    if as_json:
        print_json([outlook.as_dict() for outlook in outlooks])
        return
    from seqkit.cli.skill import print_outlooks

    print_outlooks(outlooks)
