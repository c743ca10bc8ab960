"""Output of `seqkit run` and `seqkit evaluate` for runs on text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from seqkit.cli.data import name_data
from seqkit.cli.foreign import echo
from seqkit.cli.input import open_text, show_source
from seqkit.cli.output import print_json, print_values
from seqkit.cli.report import Asked, Report, plugin_words

MOST_CHARACTERS = 20_000
"""Maximum characters of the documents compared with the training text; fewer than 1,000 if they are long."""


class TextReport(Report):
    """A sample, and the loss on a split."""

    position = "token"

    def show_source(self, data: Sequence[str], recipe: Any) -> None:
        """Print which source reads the user's text."""
        from seqkit.tasks import text

        show_source(data, text.open_text(recipe))

    def result(self, run: Any) -> dict[str, Any]:
        """Adds a sample, and if documents are kept apart, how many of 1,000 generated ones are new."""
        result = {**super().result(run), "sample": _sample(run)}
        if run.recipe.data.documents != "joined":
            result["copies"] = asdict(run.copies(most_characters=MOST_CHARACTERS))
        return result

    def show_result(self, run: Any) -> None:
        """Print a sample, and if documents are kept apart, how many generated ones are new."""
        echo(f"--- a sample ---\n{_sample(run)}\n---\n")
        if run.recipe.data.documents != "joined":
            click.echo("Generating documents, to count how many are new ...", err=True)
            click.echo(f"At temperature 1, {run.copies(most_characters=MOST_CHARACTERS)}.\n")

    def next_steps(
        self, given: str, run: Any, plugins: Sequence[str], *, has_own_data: bool
    ) -> list[tuple[str, str]]:
        """Commands for the next steps, and what each is for."""
        path, words = run.path, plugin_words(plugins)
        kept = [change for change in run.recipe.overrides if not change.lstrip("~").startswith("source.")]
        changes = "".join(f" {shlex.quote(_typed(run.recipe, change))}" for change in kept)
        apart, prompt = run.recipe.data.documents != "joined", '"The " --temperature 0.5'
        train = (f"run {given} --data my.txt{changes}{words}", "train on a text of your own")
        return [
            *([] if has_own_data else [train]),
            (f"generate {path} {'--num 10' if apart else prompt}{words}", "generate more text"),
            (f"score {path} my.txt{words}", "measure how surprising a text is"),
            *super().next_steps(given, run, plugins, has_own_data=has_own_data),
        ]

    def evaluate_one(self, run: Any, asked: Asked) -> None:
        """Print the loss on a split, or on FILE."""
        if asked.file is not None and asked.names_split:
            raise click.UsageError("a FILE is read whole; leave --split out.")
        data = None
        if asked.file is None:
            name_data(run.recipe, None, quiet=asked.as_json)
        else:
            data = open_text(run, asked.file, asked.overrides)
        metrics = run.evaluate(asked.split, data=data)
        if asked.as_json:
            print_json(metrics)
        else:
            print_values(metrics, run.tokenizer.unit)


def _sample(run: Any) -> str:
    text: str = run.recipe.sample.prompt + run.generate()
    return text


def _typed(recipe: Any, change: str) -> str:
    """An override as it has to be typed, without quotes if it needs none."""
    from seqkit.recipe.overrides import without_quotes

    table, _, key = change.removeprefix("~").partition("=")[0].partition(".")
    part = recipe.parts().get(table)
    fields = type(getattr(part, "config", part)).model_fields if part is not None else {}
    return without_quotes(fields.get(key), change)
