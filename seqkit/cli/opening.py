"""How a command opens a run that it is about to compute with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqkit.cores import leave_busy_cores

if TYPE_CHECKING:
    from seqkit.run import Run


def open_run(directory: str, plugins: Sequence[str]) -> Any:
    """The run in a directory; from here on torch has as many threads as there are free cores.

    Returns:
        A run on text or on series; the wrong kind answers what it is asked with an error.
    """
    import seqkit

    run = seqkit.load(directory, plugins=plugins)
    leave_busy_cores()
    return run


def open_seeds(directory: str, plugins: Sequence[str]) -> Sequence[Run]:
    """The seeds in a directory, or the one run that it is; threads as for one run."""
    from seqkit.run import load_seeds

    runs = load_seeds(directory, plugins=plugins)
    leave_busy_cores()
    return runs
