"""`seqkit bench ranks`: several processes, compared with one."""

from __future__ import annotations

from typing import Any

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_table, set_option


@click.command("ranks")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@click.option(
    "--ranks",
    "counts",
    multiple=True,
    type=click.IntRange(min=2),
    default=(2,),
    show_default=True,
    help="Number of processes; may be given several times.",
)
@click.option("--engine", "engines", multiple=True, default=("fused", "compiled"), show_default=True)
@click.option("--data", help="Train on this file instead of the recipes' sources.")
@click.option(
    "--seconds",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="Length of each training.",
)
@click.option(
    "--repeats", default=3, show_default=True, type=click.IntRange(min=1), help="Trainings of each kind."
)
@set_option
@plugin_option
@json_option
def command(recipes: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Compare one process that has all cores with several that share them.

    Each kind is trained in turn. The prediction adds what was measured apart: a step of processes that train
    their share of the rows without the others, and what they exchange. By default it measures quickstart,
    and char-lstm if it is installed.
    """
    from seqkit.bench.ranks import measure
    from seqkit.registry import registry_with

    known = registry_with(options["plugins"]).names("recipe")
    rows = measure(recipes or tuple(name for name in ("quickstart", "char-lstm") if name in known), **options)
    if as_json:
        print_json(rows)
        return
    header = ["recipe", "engine", "ranks", "tokens/s of 1", "of all", "ratio (from, to)", "step", "predicted"]
    print_table(
        header,
        [
            [
                row["recipe"],
                row["engine"],
                str(row["ranks"]),
                f"{row['tokens_per_s'][0]:,.0f}",
                f"{row['tokens_per_s'][1]:,.0f}",
                f"{row['ratio']:.2f} ({row['ratios'][0]:.2f}, {row['ratios'][1]:.2f})",
                f"{row['ms_per_step'][1]:.1f} ms",
                f"{row['apart_ms']:.1f} + {row['exchange_ms']:.1f} ms",
            ]
            for row in rows
        ],
    )
