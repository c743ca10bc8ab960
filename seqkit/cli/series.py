"""What `run` and `evaluate` do for runs on series."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqkit.cli.foreign import echo
from seqkit.cli.opening import open_seeds
from seqkit.cli.output import print_json, print_steps

if TYPE_CHECKING:
    from seqkit.run import Run, SeriesRun

SEEDS = 5
"""Trained where nothing else is said: a verdict needs as many."""


def load_series_runs(directory: str, plugins: Sequence[str]) -> list[SeriesRun]:
    """The seeds in a directory, or the one run that it is.

    Raises:
        WrongKindError: they are runs on text.
    """
    return require_series(open_seeds(directory, plugins), directory)


def require_series(runs: Sequence[Run], directory: str) -> list[SeriesRun]:
    """The runs, which have to be on series.

    Raises:
        WrongKindError: they are on text.
    """
    from seqkit.errors import WrongKindError
    from seqkit.run import SeriesRun

    series = [run for run in runs if isinstance(run, SeriesRun)]
    if len(series) < len(runs):
        raise WrongKindError(
            f"{directory} is a run on text: there are no dates in it.\n"
            f"  It writes and scores text: seqkit generate {directory}, seqkit score {directory} FILE."
        )
    return series


def run_series(recipe: Any, given: str, seeds: int | None, options: dict[str, Any], as_json: bool) -> Path:
    """Train the seeds of a series recipe, write the report, and print it with the forecast.

    Args:
        recipe: with its overrides.
        given: what the user calls it.
        seeds: how many; five by default.
        options: of `seqkit.train`.
        as_json: print one document.
    Returns:
        The directory of the runs.
    """
    from seqkit.cli.skill import print_outlooks, print_report
    from seqkit.run.report import write_report
    from seqkit.run.series import forecast_read

    runs, path = _train(recipe, SEEDS if seeds is None else seeds, options)
    has_test = "test" in runs[0].provenance["data"]["splits"]
    read = runs[0].read()
    report = write_report(runs, path, "test" if has_test else "validation", read)
    outlooks = forecast_read(runs, read)
    if as_json:
        told = {"path": str(path), "report": report.as_dict()}
        print_json({**told, "forecast": [outlook.as_dict() for outlook in outlooks]})
        return path
    click.echo()
    print_report(report)
    click.echo()
    print_outlooks(outlooks)
    plugins = "".join(f" -p {plugin}" for plugin in options["plugins"])
    pictures = ", ".join(picture.name for picture in sorted(path.glob("*.png")))
    echo(f"The runs are in {path}, with report.json and the pictures {pictures}. Next:")
    print_steps(
        [
            (f"run {given} --data FILE.csv{plugins}", "prices of your own, from any broker"),
            (f"forecast {path} FILE.csv{plugins}", "from newer rows"),
            (f"evaluate {path} --leaks{plugins}", "does anything know the future?"),
            (f"evaluate {path} --control{plugins}", "the same recipe on 20 random walks"),
        ]
    )
    return path


def _train(recipe: Any, seeds: int, options: dict[str, Any]) -> tuple[list[SeriesRun], Path]:
    """The runs of so many seeds, and the directory that they are in."""
    import seqkit
    from seqkit.cli.progress import Progress
    from seqkit.run import SeriesRun
    from seqkit.seeds import train_seeds

    if seeds == 1:
        with Progress(recipe.name, "row") as progress:
            run = seqkit.train(recipe, **options, callbacks=[progress])
        assert isinstance(run, SeriesRun)  # the recipe has a [series] table
        return [run], run.path
    with ExitStack() as bars:
        summary = train_seeds(
            recipe,
            seeds,
            **options,
            callbacks=lambda seed: [bars.enter_context(Progress(f"seed {seed}", "row", lines=False))],
        )
    path = Path(summary["path"])
    return load_series_runs(str(path), options["plugins"]), path
