"""`seqkit evaluate`: what a run is worth on a whole split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from seqkit.cli.data import name_data
from seqkit.cli.foreign import echo
from seqkit.cli.input import open_text, overrides_argument
from seqkit.cli.opening import open_seeds
from seqkit.cli.output import json_option, only_warnings, plugin_option, print_json, print_values

if TYPE_CHECKING:
    from seqkit.run import SeriesRun


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
    from seqkit.run import TextRun

    names_split = click.get_current_context().get_parameter_source("split") is not ParameterSource.DEFAULT
    if leaks and control:
        raise click.UsageError("--leaks and --control are two things: one at a time.")
    if (leaks or control) and (file is not None or names_split):
        raise click.UsageError(
            "--leaks and --control are about the run's own data; leave FILE and --split out."
        )

    runs = open_seeds(directory, plugins)
    if file is None or not isinstance(runs[0], TextRun):  # of a text, the source that reads it is shown
        name_data(runs[0].recipe, file, quiet=as_json)
    if isinstance(runs[0], TextRun) and not (leaks or control):
        if len(runs) > 1:
            raise click.UsageError(f"{directory} holds {len(runs)} runs on text; evaluate one of them.")
        if file is not None and names_split:
            raise click.UsageError("a FILE is read whole; leave --split out.")
        data = None if file is None else open_text(runs[0], file, overrides)
        metrics = runs[0].evaluate(split, data=data)
        if as_json:
            print_json(metrics)
        else:
            print_values(metrics, runs[0].tokenizer.unit)
        return
    from seqkit.cli.series import require_series

    series = require_series(runs, directory)
    if overrides:
        raise click.UsageError("source.KEY=VALUE is for runs on text.")
    if leaks:
        _check_leaks(series[0], as_json)
    elif control:
        _run_control(series[0], directory, plugins, as_json)
    else:
        _report(series, split, file, as_json)


def _report(runs: Sequence[SeriesRun], split: str, file: str | None, as_json: bool) -> None:
    from seqkit.cli.skill import print_report
    from seqkit.run.series import evaluate_together

    report = evaluate_together(runs, split, file)
    if as_json:
        print_json(report.as_dict())
    else:
        print_report(report)


def _check_leaks(run: SeriesRun, as_json: bool) -> None:
    found = run.leaks()
    if as_json:
        print_json(
            {
                "clean": found.clean,
                "compared": found.compared,
                "replaced_from": list(found.replaced_from),
                "leaks": [vars(leak) for leak in found.leaks],
            }
        )
    elif found.clean:
        click.echo(
            f"No leak: with all rows from {', '.join(found.replaced_from)} on replaced, {found.compared} "
            "things are the same bit for bit: what training reads and predicts, the scaler, every forecast "
            "before the date."
        )
    for leak in () if as_json else found.leaks:
        echo(f"LEAK: {leak}")
    if not found.clean:
        raise SystemExit(1)


def _run_control(run: SeriesRun, directory: str, plugins: Sequence[str], as_json: bool) -> None:
    from dataclasses import asdict
    from pathlib import Path

    from seqkit.controls import run_controls, write_control

    read = run.read().prepared
    scale = next(iter(run.scaler.symbols.values())).return_scale
    with only_warnings():  # of each walk's own run there is nothing to tell
        control = run_controls(
            run.recipe,
            rows=max(len(rows) for rows in read.symbols),
            sigma=scale,
            plugins=plugins,
            on_walk=lambda walk, verdict: click.echo(f"walk {walk + 1}: {verdict}", err=True),
        )
    write_control(Path(directory), control)
    if as_json:
        print_json(asdict(control))
        return
    told = ", ".join(f"{verdict} {count}" for verdict, count in control.verdicts.items())
    click.echo(f"On {control.walks} random walks, where there is nothing to find, the recipe {told}.")
    if control.spread_verdicts:
        told = ", ".join(f"{verdict} {count}" for verdict, count in control.spread_verdicts.items())
        click.echo(f"Its distribution compared with constant volatility, which is the best there: {told}.")
    if control.trustworthy:
        click.echo("That is what chance allows; reports of this run say so.")
    else:
        click.echo("NOT TRUSTWORTHY: it finds skill where there is none; reports of this run are marked.")
