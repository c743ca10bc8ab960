"""`seqkit evaluate`: the loss on a whole split."""

from __future__ import annotations

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_values


@click.command("evaluate")
@click.argument("directory", metavar="DIR")
@click.argument("file", required=False)
@click.option("--split", default="test", show_default=True, help="Of the source that the recipe names.")
@plugin_option
@json_option
def command(directory: str, file: str | None, split: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Evaluate the run in DIR on a whole split, or on all of FILE.

    The interval says how far another text of the kind might lie: a bootstrap over blocks of the split.
    """
    import seqkit

    metrics = seqkit.load(directory, plugins=plugins).evaluate(split, data=file)
    if as_json:
        print_json(metrics)
    else:
        print_values(metrics)
