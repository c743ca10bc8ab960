"""`seqkit bench words`: a recipe compared with n-gram counts of the same tokens."""

from __future__ import annotations

from typing import Any

import click

from seqkit.cli.output import json_option, plugin_option, print_json, print_table


@click.command("words")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE | ~KEY]...")
@click.option("--recipe", default="words", show_default=True, help="Recipe for text to train.")
@click.option("--data", help="Train on this text file instead of the recipe's source.")
@click.option(
    "--seeds",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of trainings, each with its own seed.",
)
@click.option("--out", help="The directory of the runs. [default: runs/bench-RECIPE, ...]")
@plugin_option
@json_option
def command(
    overrides: tuple[str, ...],
    recipe: str,
    data: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Compare the perplexity of a recipe with that of n-gram models.

    The n-gram models (modified Kneser-Ney) count the same tokens.
    """
    from contextlib import ExitStack

    from seqkit.bench.words import measure
    from seqkit.cli.progress import Progress
    from seqkit.recipe import Recipe
    from seqkit.registry import registry_with

    chosen = Recipe.load(recipe, registry_with(plugins))
    if data is not None:
        chosen = chosen.with_data(data)
    with ExitStack() as bars:
        result = measure(
            chosen.override(overrides),
            plugins=plugins,
            callbacks=lambda seed: [bars.enter_context(Progress(f"{recipe}, seed {seed}"))],
            **options,
        )
    if as_json:
        print_json(result)
        return
    _print(result)


def _print(result: dict[str, Any]) -> None:
    rows = []
    for split, compared in result["splits"].items():
        own = compared["recipe"]
        between = own.get("perplexity_interval_95")
        spread = "" if between is None else f" ({between[0]:.2f} to {between[1]:.2f})"
        for name, ngram in compared["ngrams"].items():
            rows.append([split, name, f"{ngram['perplexity']:.2f}", f"{ngram['bits_per_char']:.3f}", ""])
        rows.append(
            [
                split,
                f"{result['recipe']} ({result['cell']})",
                f"{own['perplexity']:.2f}{spread}",
                f"{own['bits_per_char']:.3f}",
                ", ".join(f"{ratio:.3f} of the {name}" for name, ratio in compared["ratios"].items()),
            ]
        )
    print_table(("split", "model", "perplexity per token", "bits/char", "ratio"), rows)
    click.echo(f"\nThe runs and words.json are in {result['path']}.")
