"""Open files as byte streams, decompressed according to their extension."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import sys
from pathlib import Path
from typing import IO, Any, cast

from seqkit.errors import SourceError

NAMES = {".bz2": "bzip2", ".gz": "gzip", ".xz": "XZ", ".zst": "Zstandard"}
"""Extensions of files that are decompressed while they are read."""


def open_bytes(file: Path) -> IO[bytes]:
    """Open a file, decompressed if its name ends in `.gz`, `.bz2`, `.xz` or `.zst`.

    Raises:
        SourceError: the file cannot be opened.
    """
    try:
        if file.suffix in NAMES:
            return cast("IO[bytes]", _module(file.suffix).open(file, "rb"))
        return file.open("rb")
    except OSError as error:
        raise unreadable(file, error) from error


def read_bytes(stream: IO[bytes], file: Path, size: int) -> bytes:
    """Read at most `size` bytes.

    Raises:
        SourceError: they cannot be read, or are not in the format that the file's name implies.
    """
    try:
        return stream.read(size)
    except OSError as error:
        raise unreadable(file, error) from error
    except Exception as error:
        if file.suffix in NAMES:  # each library raises errors of its own
            raise unreadable(file, error) from error
        raise


def _module(suffix: str) -> Any:
    if suffix == ".zst":  # in the standard library from Python 3.14 on
        return importlib.import_module(
            "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
        )
    return {".bz2": bz2, ".gz": gzip, ".xz": lzma}[suffix]


def unreadable(file: Path, error: Exception) -> SourceError:
    """The error for a file that cannot be read."""
    # An error of the operating system has a number; an error of a library about the bytes has none.
    damaged = not isinstance(error, OSError) or error.errno is None
    if damaged and file.suffix in NAMES:
        return SourceError(
            f"{file} ends in {file.suffix}, but it is not a complete {NAMES[file.suffix]} file: {error}."
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SourceError(f"{file} cannot be read: {reason}.")
