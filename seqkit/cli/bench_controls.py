"""`seqkit bench controls`: a recipe for series on simulated prices."""

from __future__ import annotations

import statistics

import click

from seqkit.cli.output import json_option, print_json, print_table


@click.command("controls")
@click.option("--recipe", default="stocks", show_default=True, help="Recipe for series to train.")
@click.option(
    "--rows", default=3000, show_default=True, type=click.IntRange(min=300), help="Rows of each series."
)
@click.option(
    "--series", default=20, show_default=True, type=click.IntRange(min=1), help="Number of AR(1) series."
)
@click.option(
    "--walks", default=20, show_default=True, type=click.IntRange(min=1), help="Number of random walks."
)
@json_option
def command(as_json: bool, **options: int) -> None:
    """Train a recipe on AR(1) series, and on random walks.

    In the AR(1) series (phi = 0.5) there is something to find; in the random walks there is nothing.
    """
    from seqkit.bench.controls import measure

    result = measure(**options, on_training=lambda what: click.echo(what, err=True))  # type: ignore[arg-type]  # of click
    if as_json:
        print_json(result)
        return
    columns = ("over_sigma", "over_best", "naive_over_best")
    rows = [
        [f"ar1, seed {row['seed']}", *(f"{row[name]:.3f}" for name in columns), row["verdict"]]
        for row in result["ar1"]
    ]
    means = [f"{statistics.fmean(row[name] for row in result['ar1']):.3f}" for name in columns]
    print_table(
        ("", "RMSE / sigma", "RMSE / best possible", "naive RMSE / best possible", "verdict"),
        [*rows, ["mean", *means, ""]],
    )
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in result["random_walk"].items())
    click.echo(f"random walks: {verdicts}\n{result['seconds']:.1f} s per training")
