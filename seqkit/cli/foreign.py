"""Printing of text that seqkit did not write, such as a sample or a message with a name in it."""

from __future__ import annotations

import logging
import sys

import click

logger = logging.getLogger(__name__)

CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def shown(text: str, *, err: bool = False) -> str:
    """The text as it may be printed: a terminal gets escapes such as `\\x1b` in place of control characters.

    A pipe or a file gets the text unchanged.
    """
    return text.translate(CONTROLS) if (sys.stderr if err else sys.stdout).isatty() else text


def echo(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Print foreign text; log a warning if the encoding of the output lacks one of its characters."""
    warn_of_lost(text, getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8")
    click.echo(shown(text, err=err), nl=nl, err=err, color=True)  # else click removes escape sequences


def warn_of_lost(text: str, encoding: str) -> None:
    """Log a warning if an encoding lacks characters of a text."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        logger.warning(
            'the output is written in %s, which lacks some characters: each of them becomes "?".\n'
            "  PYTHONIOENCODING=utf-8 keeps them, and so does generate --out FILE.",
            encoding,
        )


class ForeignFormatter(logging.Formatter):
    """Formats log messages, which may quote foreign text, for standard error."""

    def format(self, record: logging.LogRecord) -> str:
        """The message as it may be printed."""
        return shown(super().format(record), err=True)
