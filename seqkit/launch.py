"""What torchrun, or another program that starts several processes, sets in their environment."""

from __future__ import annotations

import os


def rank() -> int:
    """Number of this process among all, from 0."""
    return int(os.environ.get("RANK") or 0) if world() > 1 else 0


def local_rank() -> int:
    """Number of this process among those of its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK") or 0)


def world() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE") or 1)
