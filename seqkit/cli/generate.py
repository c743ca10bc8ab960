"""`seqkit generate`: text from a trained run."""

from __future__ import annotations

from typing import Any

import click

from seqkit.cli.output import json_option, plugin_option, print_json


@click.command("generate")
@click.argument("directory", metavar="DIR")
@click.argument("prompt", required=False)
@click.option("--max-tokens", type=click.IntRange(min=0), help="Draw at most so many tokens.")
@click.option("--temperature", type=float, help="Divides the logits; 0 takes the likeliest token every time.")
@click.option("--top-k", type=int, help="Draw from the K likeliest tokens only.")
@click.option("--top-p", type=float, help="Draw from the likeliest tokens that reach this probability only.")
@click.option("--stop", multiple=True, help="End before this string; may be given several times.")
@click.option("--seed", type=int, help="The same seed gives the same text.")
@plugin_option
@json_option
def command(
    directory: str, prompt: str | None, plugins: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Generate the text that follows PROMPT, with the run in DIR.

    What is not given is taken from the [sample] table of the run's recipe.
    """
    import seqkit

    options = {name: value for name, value in given.items() if value not in (None, ())}
    run = seqkit.load(directory, plugins=plugins)
    prompt = run.recipe.sample.prompt if prompt is None else prompt
    if as_json:
        print_json({"prompt": prompt, "text": run.generate(prompt, **options)})
        return
    pieces = run.stream(prompt, **options)  # tells what is out of range before anything is printed
    click.echo(prompt, nl=False)
    for piece in pieces:
        click.echo(piece, nl=False)
    click.echo()
