"""Printing of results: for people, or as one JSON document."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from seqkit.cli.foreign import echo, shown

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output, and nothing else."
)

plugin_option = click.option(
    "-p",
    "--plugin",
    "plugins",
    multiple=True,
    metavar="PLUGIN",
    help="Load a plugin: a .py file or a module; no:NAME blocks an installed one.",
)

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of all recipes; may be given several times.",
)

LABELS = {
    "loss": "loss (nats per token)",
    "bits_per_char": "bits per character",
    "bits_per_byte": "bits per byte",
    "perplexity": "perplexity per token",
    "tokens": "tokens",
    "unknown": "unknown characters",
    "unknown_characters": "unknown characters",
}

INTERVAL = "_interval_95"
STEP_WIDTH = 60
"""Maximum width of a command that the descriptions are aligned to."""


@contextmanager
def only_warnings() -> Iterator[None]:
    """Inside, only warnings and errors of seqkit are logged."""
    logger = logging.getLogger("seqkit")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2))


def print_values(values: Mapping[str, Any], unit: str = "token") -> None:
    """Print one value per line, under a label that can be read, with its interval next to it.

    Args:
        values: by name; the interval of a value has the same name with `_interval_95` appended.
        unit: the name of a token, as in "perplexity per word".
    """
    labels = {name: label.replace("per token", f"per {unit}") for name, label in LABELS.items()}
    width = max(len(labels.get(name, name)) for name in values if not name.endswith(INTERVAL))
    for name, value in values.items():
        if name.endswith(INTERVAL):
            continue
        value_shown = (
            f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
        )
        if ends := values.get(name + INTERVAL):
            value_shown += "  (95 %: {:.4f} to {:.4f})".format(*ends)
        echo(f"{labels.get(name, name):<{width}}  {value_shown}")


def print_steps(steps: Iterable[tuple[str, str]]) -> None:
    """Print the next steps: commands of seqkit, and what each is for."""
    steps = [(f"{_program()} {command}", what) for command, what in steps]
    width = max((len(command) for command, _ in steps if len(command) <= STEP_WIDTH), default=0)
    for command, what in steps:
        echo(f"  {command:<{width}}   # {what}")


def _program() -> str:
    """The name or path to type for seqkit: after `make demo` the environment is not activated yet."""
    installed = Path(sys.executable).with_name("seqkit")
    if shutil.which("seqkit") == str(installed):  # Debian's seqkit is another program
        return "seqkit"
    return str(installed.relative_to(Path.cwd()) if installed.is_relative_to(Path.cwd()) else installed)


def print_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a plain table, wrapped to the terminal; a pipe or a file gets whole lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))  # as Text, because "[...]" is not markup here
    Console(width=None if sys.stdout.isatty() else 1000).print(table)
