"""`seqkit evaluate`: the loss of a run on a whole split, or its report."""

from __future__ import annotations

import click
from click.core import ParameterSource

from seqkit.cli.input import overrides_argument
from seqkit.cli.opening import open_seeds, step_option
from seqkit.cli.output import json_option, plugin_option
from seqkit.cli.report import Asked, report_of


@click.command("evaluate")
@click.argument("directory", metavar="DIR")
@click.argument("file", required=False)
@overrides_argument
@click.option(
    "--split",
    default="test",
    show_default=True,
    help="Split of the source that the recipe names.",
)
@click.option(
    "--leaks",
    is_flag=True,
    help="For series: replace all later rows, and report whether anything before them changes.",
)
@click.option("--control", is_flag=True, help="For series: train the same recipe on 20 random walks.")
@step_option
@plugin_option
@json_option
def command(
    directory: str,
    step: int | None,
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

    For a run on text, it prints the loss. Its interval shows how far the loss of another such text might be.
    For a run on series, or the directory above its seeds, it prints the honest report, compared with
    baselines.
    """
    names_split = click.get_current_context().get_parameter_source("split") is not ParameterSource.DEFAULT
    if leaks and control:
        raise click.UsageError("--leaks and --control cannot be combined: give one of them.")
    if (leaks or control) and (file is not None or names_split):
        raise click.UsageError("--leaks and --control use the run's own data; leave FILE and --split out.")

    runs = open_seeds(directory, plugins, step)
    asked = Asked(directory, file, overrides, split, names_split, leaks, control, plugins, as_json)
    report_of(runs[0].recipe).evaluate(runs, asked)
