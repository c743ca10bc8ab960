"""Files of a run directory: only regular ones, of bounded size, are read; what is written is on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from seqkit.errors import RunError

JSON_BYTES = 2**26
"""Size of a JSON or TOML file that is read, at most: 64 MiB."""


def read_file(path: Path, limit: int = JSON_BYTES) -> bytes:
    """The contents of a regular file of at most `limit` bytes.

    Raises:
        RunError: it is missing, a link, a pipe, a device or a directory, too large, or cannot be read.
    """
    try:
        # Neither a link is followed nor a pipe waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if path.is_symlink():
            raise RunError(f"{path} is a link: files outside a run directory are not read.") from error
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise RunError(f"{path} is not a regular file.")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > limit:
            raise RunError(f"{path} has {status.st_size:,} bytes; at most {limit:,} are expected.")
        try:
            return file.read(limit + 1)
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}.") from error


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
