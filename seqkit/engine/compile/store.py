"""Compiled loops on disk, found by a digest of all that they depend on, and verified before they are used.

    loops/<digest of what it depends on>      one file:  digest of the rest
                                                         one line of JSON
                                                         the library

A file is complete or absent, since it is renamed into its place, and the folder is the user's alone. What is
damaged, or cannot be written, is compiled again; the least recently used files are removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from seqkit.caching import cache_dir

logger = logging.getLogger(__name__)

MOST_BYTES: Final = 256 * 2**20
"""Size of all files together; the least recently used ones are removed beyond it."""
FILE_BYTES: Final = 16 * 2**20


def folder() -> Path:
    """The folder of compiled loops."""
    return cache_dir() / "loops"


def find(key: str) -> tuple[dict[str, Any], bytes] | None:
    """The values and the library that were kept under a key; None if there are none, or they are damaged."""
    path = folder() / key
    try:
        _require_private(path.parent)
    except OSError:
        return None  # as long as nothing is kept
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > FILE_BYTES:
                raise ValueError("it is too large")
            digest, content = file.read(64).decode("ascii"), file.read()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError("its digest differs")
        values, _, library = content.partition(b"\n")
        found: dict[str, Any] = json.loads(values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.info("%s is compiled again: %s", path, error)
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):
        os.utime(path)
    return found, library


def keep(key: str, values: dict[str, Any], library: bytes) -> None:
    """Write a file; if it cannot be written, it is not kept, and a warning says why."""
    content = json.dumps(values).encode() + b"\n" + library
    path = folder() / key
    partial = path.with_name(f"{key}.{uuid4().hex}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(path.parent)
        with partial.open("xb") as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _remove_oldest(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        reason = error.strerror or error
        logger.warning("compiled steps cannot be kept in %s (%s): each process compiles", path.parent, reason)


def _require_private(place: Path) -> None:
    """Check that nobody else can have written here.

    Raises:
        PermissionError: the folder is a link, or belongs to another user, or others may write to it.
    """
    status = place.lstat()
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if not stat.S_ISDIR(status.st_mode) or not is_ours or status.st_mode & 0o022:
        raise PermissionError(f"{place} is not a folder that you alone may write to")


def _remove_oldest(place: Path) -> None:
    """Remove the least recently used files, and what killed processes left, until the rest is small."""
    files = []
    for path in place.iterdir():
        with suppress(OSError):  # another process may have removed it
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    left = sum(size for _, size, _ in files)
    for _, size, path in sorted(files)[:-1]:
        if left <= MOST_BYTES:
            break
        with suppress(OSError):
            path.unlink()
        left -= size
