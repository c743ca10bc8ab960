"""Files of a run directory: only regular ones, of bounded size, are read; what is written is on the disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from seqkit.errors import RunError, SaveError

JSON_BYTES = 2**26
"""Size of a JSON or TOML file that is read, at most: 64 MiB."""


def open_file(path: Path, limit: int = JSON_BYTES) -> BinaryIO:
    """Open a regular file of at most `limit` bytes for reading.

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
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        os.close(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RunError(f"{path} is not a regular file.")
        raise RunError(f"{path} has {status.st_size:,} bytes; at most {limit:,} are expected.")
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, limit: int = JSON_BYTES) -> bytes:
    """The contents of a regular file of at most `limit` bytes; see `open_file`."""
    with open_file(path, limit) as file:
        try:
            return file.read(limit + 1)
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """In the block, write to the file that is yielded; then it takes the place of `path`, which is the old or
    the new one at any time. What was left in its place by somebody else, such as a link, is not written to.

    Raises:
        SaveError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        if os.path.lexists(partial):
            partial.unlink()
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield partial
        sync(partial)
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise SaveError(
            f"{path} cannot be written: {error.strerror or error}.\n"
            "  Free some space, or remove what is in its place."
        ) from error


def remove(path: Path) -> None:
    """Remove a file, a link or a whole directory; links in it are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
