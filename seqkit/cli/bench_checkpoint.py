"""`seqkit bench checkpoint`: the cost of saving."""

from __future__ import annotations

from typing import Any

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_table, set_option


@click.command("checkpoint")
@click.argument("recipes", nargs=-1, metavar="[RECIPE]...")
@click.option("--data", help="Train on this file instead of the recipes' sources.")
@click.option(
    "--seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="Length of each training.",
)
@click.option("--folder", help="Directory on the disk to measure. [default: that of temporary files]")
@set_option
@plugin_option
@json_option
def command(recipes: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Measure the share of a training's time that saving checkpoints takes.

    Each recipe is trained without the interval of 60 s, so that it saves as often as it may. By default it
    measures quickstart, and char-lstm if it is installed.
    """
    from seqkit.bench.checkpoint import measure
    from seqkit.registry import registry_with

    known = registry_with(options["plugins"]).names("recipe")
    rows = measure(recipes or tuple(name for name in ("quickstart", "char-lstm") if name in known), **options)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["recipe", "parameters", "checkpoint", "saves", "a save", "as often as it may", "every 60 s"],
        [
            [
                row["recipe"],
                f"{row['parameters']:,}",
                f"{row['megabytes']:.1f} MB",
                str(row["saves"]),
                f"{row['save_ms']:.0f} ms",
                f"{row['share']:.2%}",
                f"{row['share_at_60_s']:.3%}",
            ]
            for row in rows
        ],
    )
