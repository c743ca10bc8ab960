"""The command line: one small file a verb, each importing what is heavy only when it runs."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from typing import Any

import click

import seqkit
import seqkit.cores  # it looks what other programs do from here on
from seqkit.cli import (
    bench,
    check,
    evaluate,
    forecast,
    generate,
    inspect,
    ls,
    new,
    plugins,
    run,
    schema,
    score,
    show,
    states,
)
from seqkit.cli.foreign import ForeignFormatter, echo, shown
from seqkit.cli.hints import hint
from seqkit.errors import SeqkitError

__all__ = ["cli", "main"]

WORDS = "seqkit.words"
"""Under which a context keeps what was typed."""


class PluginGroup(click.Group):
    """Finds the commands that installed plugins add, when none of its own has the name.

    What is typed wrong gets a hint under its error.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what was typed, for a hint."""
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error leaves with its hint."""
        try:
            return super().invoke(ctx)
        except (SeqkitError, click.UsageError) as error:
            found = hint(error, *self._typed(ctx))
            if isinstance(error, click.UsageError):
                # What click proposes as well is further off.
                is_typo = isinstance(error, click.NoSuchOption) or "Did you mean" in found
                says = error.message if found and is_typo else error.format_message()
                message = shown(f"{says}\n  {found}" if found else says, err=True)
                raise click.UsageError(message, error.ctx) from error
            if found:
                error.add_note(f"  {found}")
            raise

    def _typed(self, ctx: click.Context) -> tuple[str, dict[str, Any], list[str]]:
        """The name of the command, its parameters as far as they can be read, and all words."""
        words: list[str] = ctx.meta[WORDS]
        name = next((word for word in words if not word.startswith("-")), "")
        command = self.get_command(ctx, name)
        if command is None:
            return name, {}, words
        rest = words[words.index(name) + 1 :]
        return name, command.make_context(name, rest, parent=ctx, resilient_parsing=True).params, words

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, sorted."""
        self._add_plugin_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command by that name."""
        if cmd_name not in self.commands:
            self._add_plugin_commands()
        return super().get_command(ctx, cmd_name)

    def _add_plugin_commands(self) -> None:
        from seqkit.registry import BehaviourHooks, default_registry

        if not self._asked:
            self._asked = True
            BehaviourHooks(default_registry()).call("seqkit_commands", cli=self)

    _asked = False


class TellOnce(logging.Filter):
    """Lets warnings, and records marked `once`, through once: the seeds of a recipe read the same file."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it was not told before."""
        message = record.getMessage()
        once = record.levelno >= logging.WARNING or getattr(record, "once", False)
        if not once or message not in self._told:
            self._told.add(message)
            return True
        return False


@click.group(
    cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(seqkit.__version__, prog_name="seqkit")
def cli() -> None:
    """Train, measure and use recurrent sequence models.

    Begin with: seqkit run quickstart
    """


for module in (
    run,
    generate,
    score,
    evaluate,
    forecast,
    states,
    inspect,
    ls,
    show,
    plugins,
    new,
    check,
    schema,
    bench,
):
    cli.add_command(module.command)


def main() -> None:
    """Run a command: a mistake of the user's ends with a short message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows "?"
    logging.basicConfig(stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(ForeignFormatter("%(message)s"))
        handler.addFilter(TellOnce())
    logging.getLogger("seqkit").setLevel(logging.INFO)
    try:
        cli(prog_name="seqkit")
    except SeqkitError as error:
        echo("\n".join([f"Error: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) went away; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        message = _exhausted(error)
        if message is None:
            raise
        echo(f"Error: {message}", err=True)
        sys.exit(1)


def _exhausted(error: Exception) -> str | None:
    """What to say of a disk or a memory that is full; None where that is not what happened."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        place = f" {error.filename}" if error.filename else " a file"
        return f"the disk is full:{place} cannot be written.\n  Make room, or choose another disk (--out)."
    said = str(error).split("\n", 1)[0]
    # PyTorch's class for a GPU is a RuntimeError, and its error on the CPU is nothing more.
    is_memory = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)
    )
    if not is_memory:
        return None
    remedy = "Try a smaller train.batch_size, train.seq_len or cell, or model.recompute_every."
    return f"there is not enough memory ({said or 'MemoryError'}).\n  {remedy}"
