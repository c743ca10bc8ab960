"""The memory that this process takes, and what the machine has of it."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from seqkit.errors import SeqkitError

MEGABYTE = 1e6

_LARGE, _MUCH = 32 << 20, 512 << 20  # the former is the option's documented limit
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> None:
    """From now on this process keeps what it frees, up to 512 MB, for what it asks for next.

    By default the C library gives arrays of some megabytes back to the system, which hands out new memory
    page by page, as zeros: up to a millisecond for each in a training step, which asks for the same ones
    again and again.
    Does nothing where the C library is not GNU's.
    """
    if sys.platform == "linux" and (set_option := getattr(ctypes.CDLL(None), "mallopt", None)):
        set_option(_MMAP_THRESHOLD, _LARGE)
        set_option(_TRIM_THRESHOLD, _MUCH)


def require_linux() -> None:
    """Raise SeqkitError where the system does not tell the peak of a process."""
    if not peak_is_known():
        raise SeqkitError("the peak of a process can be reset on Linux only; this benchmark needs that.")


def peak_is_known() -> bool:
    """Whether the peak of this process can be reset and read; Linux alone does that."""
    return os.access("/proc/self/clear_refs", os.W_OK)


def peak_growth(work: Callable[[], None]) -> float:
    """Do the work: by how many megabytes the process's peak exceeds what it held before."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
    work()
    return peak() - before


def peak() -> float:
    """The most megabytes that the process has held since the last `peak_growth` began."""
    return _status("VmHWM")


def available(root: Path = Path("/")) -> float | None:
    """How many megabytes can still be had: of the machine, or of the container where that has fewer.

    Args:
        root: of the file system that tells.
    Returns:
        None where the system does not tell.
    """
    try:
        free = _kilobytes(root / "proc/meminfo", "MemAvailable") * 1024
    except (OSError, StopIteration):
        return None
    try:
        limit, held = ((root / f"sys/fs/cgroup/memory.{name}").read_text() for name in ("max", "current"))
    except OSError:
        return free / MEGABYTE
    return (free if limit.strip() == "max" else min(free, int(limit) - int(held))) / MEGABYTE


def _status(key: str) -> float:
    """What the system says of this process, in megabytes."""
    return _kilobytes(Path("/proc/self/status"), key) * 1024 / MEGABYTE


def _kilobytes(path: Path, key: str) -> int:
    lines = path.read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(key)))
