"""How results are printed: for people, or as one JSON document."""

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
"""Of a command that others are aligned with."""


@contextmanager
def only_warnings() -> Iterator[None]:
    """What seqkit logs beside warnings is not shown inside."""
    logger = logging.getLogger("seqkit")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def print_json(value: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(value, indent=2))


def print_values(values: Mapping[str, Any], unit: str = "token") -> None:
    """One value a line, under the names that people know them by; its interval beside it.

    Args:
        values: by name; the interval of one has its name and `_interval_95`.
        unit: what a token is called, as in "perplexity per word".
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
    """What can be done next: commands of seqkit, and what each is for."""
    steps = [(f"{_program()} {command}", what) for command, what in steps]
    width = max((len(command) for command, _ in steps if len(command) <= STEP_WIDTH), default=0)
    for command, what in steps:
        echo(f"  {command:<{width}}   # {what}")


def _program() -> str:
    """What to type: after `make demo`, nobody has activated the environment yet."""
    installed = Path(sys.executable).with_name("seqkit")
    if shutil.which("seqkit") == str(installed):  # Debian's seqkit is another program
        return "seqkit"
    return str(installed.relative_to(Path.cwd()) if installed.is_relative_to(Path.cwd()) else installed)


def print_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A plain table, wrapped to the terminal; a pipe or a file gets whole lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))  # as Text, for "[...]" is not markup
    Console(width=None if sys.stdout.isatty() else 1000).print(table)
