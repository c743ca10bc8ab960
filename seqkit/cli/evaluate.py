"""`seqkit evaluate`: what a run is worth on a whole split."""

from __future__ import annotations

import click
from click.core import ParameterSource

from seqkit.cli.input import overrides_argument
from seqkit.cli.opening import open_seeds
from seqkit.cli.output import json_option, plugin_option
from seqkit.cli.report import Asked, report_of


@click.command("evaluate")
@click.argument("directory", metavar="DIR")
@click.argument("file", required=False)
@overrides_argument
@click.option("--split", default="test", show_default=True, help="Of the source that the recipe names.")
@click.option(
    "--leaks", is_flag=True, help="Series: replace what comes later; does anything before it change?"
)
@click.option("--control", is_flag=True, help="Series: train the same recipe on 20 random walks.")
@plugin_option
@json_option
def command(
    directory: str,
    file: str | None,
    overrides: tuple[str, ...],
    split: str,
    leaks: bool,
    control: bool,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Evaluate the run in DIR on a whole split, or on FILE.

    FILE may be a folder, a glob, or a table of texts: source.column=title names the column.

    Of a run on text: the loss. Its interval says how far another text of the kind might lie. Of a run on
    series, or of the directory above its seeds: the honest report, compared with baselines.
    """
    names_split = click.get_current_context().get_parameter_source("split") is not ParameterSource.DEFAULT
    if leaks and control:
        raise click.UsageError("--leaks and --control are two things: one at a time.")
    if (leaks or control) and (file is not None or names_split):
        raise click.UsageError(
            "--leaks and --control are about the run's own data; leave FILE and --split out."
        )

    runs = open_seeds(directory, plugins)
    asked = Asked(directory, file, overrides, split, names_split, leaks, control, plugins, as_json)
    report_of(runs[0].recipe).evaluate(runs, asked)
