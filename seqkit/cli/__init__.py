"""The command line: one small file for each command, which imports heavy modules only when it runs."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from typing import Any

import click

import seqkit
import seqkit.cores  # its import starts to measure how busy other programs keep the cores
from seqkit.cli import (
    bench,
    cache,
    check,
    evaluate,
    forecast,
    generate,
    inspect,
    ls,
    new,
    plugins,
    resume,
    run,
    schema,
    score,
    show,
    states,
    verify,
)
from seqkit.cli.foreign import ForeignFormatter, echo, shown
from seqkit.cli.hints import WORDS, hint
from seqkit.cli.ranks import is_reporter
from seqkit.errors import SeqkitError
from seqkit.launch import rank

__all__ = ["cli", "main"]


class PluginGroup(click.Group):
    """Looks for a command among those that installed plugins add if seqkit itself has none of that name.

    The error for a mistyped command gets a hint below it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words the user typed, for a hint."""
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; add a hint to an error."""
        try:
            return super().invoke(ctx)
        except (SeqkitError, click.UsageError) as error:
            found = hint(error, *self._typed(ctx))
            if isinstance(error, click.UsageError):
                # click proposes something as well, which is further from what was meant.
                is_typo = isinstance(error, click.NoSuchOption) or "Did you mean" in found
                says = error.message if found and is_typo else error.format_message()
                message = shown(f"{says}\n  {found}" if found else says, err=True)
                if not is_reporter(SeqkitError(message)):
                    sys.exit(error.exit_code)
                raise click.UsageError(message, error.ctx) from error
            if found:
                error.add_note(f"  {found}")
            raise
        except KeyboardInterrupt as stop:  # the trainer has logged what is kept
            sys.exit(128 + getattr(stop, "number", signal.SIGINT))

    def _typed(self, ctx: click.Context) -> tuple[str, dict[str, Any], list[str]]:
        """The name of the command, those of its parameters that can be read, and all words."""
        words: list[str] = ctx.meta[WORDS]
        name = next((word for word in words if not word.startswith("-")), "")
        command = self.get_command(ctx, name)
        if command is None:
            return name, {}, words
        rest = words[words.index(name) + 1 :]
        return name, command.make_context(name, rest, parent=ctx, resilient_parsing=True).params, words

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        self._add_plugin_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in self.commands:
            self._add_plugin_commands()
        return super().get_command(ctx, cmd_name)

    def _add_plugin_commands(self) -> None:
        from seqkit.registry import BehaviourHooks, default_registry

        if not self._asked:
            self._asked = True
            BehaviourHooks(default_registry()).call("seqkit_commands", cli=self)

    _asked = False


class LogOnce(logging.Filter):
    """Passes each warning, and each record marked `once`, only once: all seeds of a recipe read one file."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        message = record.getMessage()
        once = record.levelno >= logging.WARNING or getattr(record, "once", False)
        if not once or message not in self._seen:
            self._seen.add(message)
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
    resume,
    run,
    generate,
    score,
    evaluate,
    forecast,
    states,
    verify,
    inspect,
    ls,
    show,
    plugins,
    new,
    check,
    schema,
    cache,
    bench,
):
    cli.add_command(module.command)


def main() -> None:
    """Run a command; a user error ends with a short message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # show "?" for a character the terminal's encoding lacks
    logging.basicConfig(stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(ForeignFormatter(f"rank {rank()}: %(message)s" if rank() else "%(message)s"))
        handler.addFilter(LogOnce())
    logging.getLogger("seqkit").setLevel(logging.INFO if rank() == 0 else logging.ERROR)
    if rank():  # of the data and the recipe the first process speaks
        logging.getLogger("seqkit.training").setLevel(logging.WARNING)
    try:
        cli(prog_name="seqkit")
    except SeqkitError as error:
        if is_reporter(error):
            echo("\n".join([f"Error: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has closed the pipe; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        message = _exhausted(error)
        if message is None:
            raise
        echo(f"Error: {message}", err=True)
        sys.exit(1)


def _exhausted(error: Exception) -> str | None:
    """Message for a full disk or exhausted memory; None if the error is something else."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        place = f" {error.filename}" if error.filename else " a file"
        return f"the disk is full:{place} cannot be written.\n  Make room, or choose another disk (--out)."
    said = str(error).split("\n", 1)[0]
    # PyTorch's error for a GPU is a subclass of RuntimeError; on the CPU it is a plain RuntimeError.
    is_memory = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)
    )
    if not is_memory:
        return None
    remedy = "Try a smaller train.batch_size, train.seq_len or cell, or model.recompute_every."
    return f"there is not enough memory ({said or 'MemoryError'}).\n  {remedy}"
