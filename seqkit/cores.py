"""The cores that other programs leave free.

PyTorch starts a thread for each core, and threads that wait for another one spin. If another program
needs one of the cores, all threads wait most of the time, and their spinning takes the time that the
slowest thread needs.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SHORTEST, LONGEST = 0.3, 5.0
"""Fewest and most seconds between two readings that measure the current load of other programs."""

SPARED = 0.25
"""Share of a core that others may use before a core is left to them: a desktop is never fully idle."""

CHOSEN_BY_HAND = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables with which a user sets PyTorch's number of threads."""

logger = logging.getLogger(__name__)


def leave_busy_cores(level: int = logging.DEBUG) -> None:
    """Reduce PyTorch's threads to the number of free cores.

    The number is not changed if the user set it in the environment, or if the system does not report it.

    Args:
        level: level of the log record of a change.
    """
    import torch

    before = torch.get_num_threads()
    if before == 1 or any(name in os.environ for name in CHOSEN_BY_HAND):
        return
    free = free_cores()
    if free < before:
        torch.set_num_threads(free)
        said = "other programs keep cores busy: this program computes with %d of %d threads"
        logger.log(level, said, free, before, extra={"once": True})


@dataclass(frozen=True)
class Reading:
    """How long the cores have been busy since the machine was started.

    Args:
        at: time of the reading, in seconds of a clock.
        worked: busy seconds, summed over the cores that this process may use.
        own: busy seconds of this process.
    """

    at: float
    worked: float
    own: float

    @classmethod
    def now(cls, root: Path = Path("/")) -> Reading:
        """The values that Linux reports now."""
        lines = (root / "proc/stat").read_text("ascii").splitlines()
        names = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        worked = 0
        for name, *ticks in (line.split() for line in lines):
            if name in names:  # user, nice, system, idle, iowait, three more of work
                worked += sum(int(tick) for tick in ticks[:3] + ticks[5:8])
        return cls(time.monotonic(), worked / os.sysconf("SC_CLK_TCK"), time.process_time())

    def others_since(self, before: Reading) -> float:
        """How many cores other programs used between the two readings."""
        return ((self.worked - before.worked) - (self.own - before.own)) / (self.at - before.at)


_IS_KNOWN = sys.platform == "linux" and os.access("/proc/stat", os.R_OK)
_before = Reading.now() if _IS_KNOWN else None


def free_cores() -> int:
    """Number of cores that this process can use alone, at least one.

    The first call in a program measures since the program began; later calls measure for 0.3 s.
    """
    global _before
    if _before is None:
        return os.cpu_count() or 1
    if not SHORTEST <= time.monotonic() - _before.at <= LONGEST:
        _before = Reading.now()
        time.sleep(SHORTEST)
    now = Reading.now()
    others = now.others_since(_before)
    _before = now
    return free_beside(others, len(os.sched_getaffinity(0)), granted())


def free_beside(others: float, cores: int, granted: int | None = None) -> int:
    """Number of cores that other programs leave free; a small share of a core does not count.

    Args:
        others: how many cores other programs use, such as 1.2.
        cores: number of the machine's cores that this process may use.
        granted: how many of them the container may use.
    """
    free = cores - max(0, math.ceil(others - SPARED))
    return max(1, free if granted is None else min(free, granted))


def granted(root: Path = Path("/")) -> int | None:
    """Number of cores of the container in which this process runs; None if there is no limit.

    Args:
        root: root of the file system that is read.
    """
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None  # the file is missing, or has another format
