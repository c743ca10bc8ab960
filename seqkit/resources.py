"""The memory that this process uses, and the memory that the machine has available."""

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
    """Make this process keep up to 512 MB of freed memory for its next allocations.

    By default the C library returns freed arrays of some megabytes to the system, which maps new memory
    page by page and fills it with zeros. That takes up to a millisecond per array in a training step,
    which allocates the same arrays again and again.
    Does nothing if the C library is not GNU's.
    """
    if sys.platform == "linux" and (set_option := getattr(ctypes.CDLL(None), "mallopt", None)):
        set_option(_MMAP_THRESHOLD, _LARGE)
        set_option(_TRIM_THRESHOLD, _MUCH)


def require_linux() -> None:
    """Raise SeqkitError if the system does not report the peak memory of a process."""
    if not peak_is_known():
        raise SeqkitError("this benchmark resets the peak memory of a process, which works on Linux only.")


def peak_is_known() -> bool:
    """Whether the peak memory of this process can be reset and read, which works on Linux only."""
    return os.access("/proc/self/clear_refs", os.W_OK)


def peak_growth(work: Callable[[], None]) -> float:
    """Run `work`; return by how many megabytes its peak memory exceeds what the process held before."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak to what is held now
    work()
    return peak() - before


def peak() -> float:
    """The peak memory of the process since the last `peak_growth` began, in megabytes."""
    return _status("VmHWM")


def available(root: Path = Path("/")) -> float | None:
    """Megabytes that are still available on the machine, or in the container if it has fewer.

    Args:
        root: root of the file system that is read.
    Returns:
        None if the system does not report it.
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
    """A value that the system reports for this process, in megabytes."""
    return _kilobytes(Path("/proc/self/status"), key) * 1024 / MEGABYTE


def _kilobytes(path: Path, key: str) -> int:
    lines = path.read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(key)))
