"""Output of `seqkit run` and `seqkit evaluate` for runs on series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqkit.cli.data import name_data
from seqkit.cli.foreign import echo
from seqkit.cli.opening import open_seeds
from seqkit.cli.output import only_warnings, print_json, print_steps
from seqkit.cli.report import Asked, Report, plugin_words, train_seeds

if TYPE_CHECKING:
    from seqkit.run import Run, SeriesRun


def load_series_runs(directory: str, plugins: Sequence[str], step: int | None = None) -> list[SeriesRun]:
    """The seeds in a directory, or the one run that it is.

    Raises:
        WrongKindError: they are runs on text.
    """
    return require_series(open_seeds(directory, plugins, step), directory)


def require_series(runs: Sequence[Run], directory: str) -> list[SeriesRun]:
    """The runs, checked to be on series.

    Raises:
        WrongKindError: they are on text.
    """
    from seqkit.errors import WrongKindError
    from seqkit.run import SeriesRun

    series = [run for run in runs if isinstance(run, SeriesRun)]
    if len(series) < len(runs):
        kind, verbs = runs[0].recipe.kind, runs[0].verbs
        if kind == "text":
            verbs = (
                f"It generates and scores text: seqkit generate {directory}, seqkit score {directory} FILE."
            )
        raise WrongKindError(f"{directory} is a run on {kind}, which has no dates.\n  {verbs}")
    return series


class SeriesReport(Report):
    """The honest report of all seeds together, and the forecast."""

    position = "row"

    def train(
        self,
        recipe: Any,
        given: str,
        seeds: int,
        options: dict[str, Any],
        as_json: bool,
        *,
        has_own_data: bool = False,
    ) -> Path:
        """Train the seeds of a recipe, write the report, and print it with the forecast."""
        from seqkit.cli.skill import print_outlooks, print_report
        from seqkit.run.report import write_report
        from seqkit.run.series import forecast_read

        runs, path = self._runs(recipe, seeds, options)
        has_test = "test" in runs[0].provenance["data"]["splits"]
        read = runs[0].read()
        report = write_report(runs, path, "test" if has_test else "validation", read)
        outlooks = forecast_read(runs, read)
        if as_json:
            document = {"path": str(path), "report": report.as_dict()}
            print_json({**document, "forecast": [outlook.as_dict() for outlook in outlooks]})
            return path
        click.echo()
        print_report(report)
        click.echo()
        print_outlooks(outlooks)
        words = plugin_words(options["plugins"])
        pictures = ", ".join(picture.name for picture in sorted(path.glob("*.png")))
        echo(f"The runs are in {path}, with report.json and the pictures {pictures}. Next:")
        own = (f"run {given} --data FILE.csv{words}", "train on prices of your own, from any broker")
        print_steps(
            [
                *([] if has_own_data else [own]),
                (f"forecast {path} FILE.csv{words}", "forecast from newer rows"),
                (f"evaluate {path} --leaks{words}", "check for leaks from the future"),
                (f"evaluate {path} --control{words}", "train the same recipe on 20 random walks"),
            ]
        )
        return path

    def _runs(self, recipe: Any, seeds: int, options: dict[str, Any]) -> tuple[list[SeriesRun], Path]:
        """The trained runs, and the directory that they are in."""
        import seqkit
        from seqkit.cli.progress import Progress

        if seeds == 1:
            with Progress(recipe.name, self.position) as progress:
                run = seqkit.train(recipe, **options, callbacks=[progress])
            return require_series([run], str(run.path)), run.path
        path = Path(train_seeds(recipe, seeds, options, self.position, lines=False)["path"])
        return load_series_runs(str(path), options["plugins"]), path

    def evaluate(self, runs: Sequence[Run], asked: Asked) -> None:
        """Print the report of all seeds, or whether there are leaks, or the verdicts on random walks."""
        series = require_series(runs, asked.directory)
        if asked.overrides:
            raise click.UsageError("source.KEY=VALUE is for runs on text.")
        name_data(series[0].recipe, asked.file, quiet=asked.as_json)
        if asked.leaks:
            _check_leaks(series[0], asked.as_json)
        elif asked.control:
            _run_control(series[0], asked.directory, asked.plugins, asked.as_json)
        else:
            _report(series, asked.split, asked.file, asked.as_json)


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
            "values are the same bit for bit: what training reads and predicts, the scaler, and every "
            "forecast before that date."
        )
    for leak in () if as_json else found.leaks:
        echo(f"LEAK: {leak}")
    if not found.clean:
        raise SystemExit(1)


def _run_control(run: SeriesRun, directory: str, plugins: Sequence[str], as_json: bool) -> None:
    from dataclasses import asdict

    from seqkit.run.controls import run_controls, write_control

    read = run.read().prepared
    scale = next(iter(run.scaler.symbols.values())).return_scale
    with only_warnings():  # the log of the run of each walk is of no interest
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
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in control.verdicts.items())
    click.echo(f"On {control.walks} random walks, where there is nothing to find, the recipe {verdicts}.")
    if control.spread_verdicts:
        verdicts = ", ".join(f"{verdict} {count}" for verdict, count in control.spread_verdicts.items())
        click.echo(
            f"Its distribution compared with constant volatility, which is the best there: {verdicts}."
        )
    if control.trustworthy:
        click.echo("Chance alone can explain this; reports of this run say so.")
    else:
        click.echo("NOT TRUSTWORTHY: it finds skill where there is none; reports of this run are marked.")
