"""The cores that other programs leave free.

PyTorch starts a thread for each core, and those that wait for another one spin. Where another program
needs one of the cores, all of them wait most of the time, and spin away what the slowest would need.
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
"""Seconds between two readings from which what other programs do now can be told."""

SPARED = 0.25
"""So much of a core others may use before one is left to them: a desktop always does something."""

CHOSEN_BY_HAND = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables by which a person says how many threads PyTorch is to have."""

logger = logging.getLogger(__name__)


def leave_busy_cores(level: int = logging.DEBUG) -> None:
    """From here on PyTorch has no more threads than there are free cores.

    Where a person chose their number in the environment, or the system does not tell, it stays.

    Args:
        level: of the log record that says so.
    """
    import torch

    before = torch.get_num_threads()
    if before == 1 or any(name in os.environ for name in CHOSEN_BY_HAND):
        return
    free = free_cores()
    if free < before:
        torch.set_num_threads(free)
        said = "other programs keep cores busy: this one computes with %d of %d threads"
        logger.log(level, said, free, before, extra={"once": True})


@dataclass(frozen=True)
class Reading:
    """How long cores have worked since the machine was started.

    Args:
        at: when this was read, in seconds of a clock.
        worked: seconds of all cores that this process may use, together.
        own: seconds of this process.
    """

    at: float
    worked: float
    own: float

    @classmethod
    def now(cls, root: Path = Path("/")) -> Reading:
        """What Linux reports."""
        lines = (root / "proc/stat").read_text("ascii").splitlines()
        names = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        worked = 0
        for name, *ticks in (line.split() for line in lines):
            if name in names:  # user, nice, system, idle, waiting for a disk, three more of work
                worked += sum(int(tick) for tick in ticks[:3] + ticks[5:8])
        return cls(time.monotonic(), worked / os.sysconf("SC_CLK_TCK"), time.process_time())

    def others_since(self, before: Reading) -> float:
        """How many cores other programs used in between."""
        return ((self.worked - before.worked) - (self.own - before.own)) / (self.at - before.at)


_IS_KNOWN = sys.platform == "linux" and os.access("/proc/stat", os.R_OK)
_before = Reading.now() if _IS_KNOWN else None


def free_cores() -> int:
    """How many cores this process can have for itself, one at least.

    The first call in a program looks at what happened since it began; later ones wait 0.3 s for that.
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
    """How many cores are free while others use some; a little of one does not count.

    Args:
        others: how many cores other programs use, such as 1.2.
        cores: of the machine, as far as this process may use them.
        granted: of them to a container.
    """
    free = cores - max(0, math.ceil(others - SPARED))
    return max(1, free if granted is None else min(free, granted))


def granted(root: Path = Path("/")) -> int | None:
    """How many cores the container has that this process runs in; None where nothing limits it.

    Args:
        root: of the file system that is read.
    """
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None  # it is not there, or says something else
