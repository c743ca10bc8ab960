"""Opening the run that a command computes with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from seqkit.cores import leave_busy_cores
from seqkit.errors import WrongKindError

if TYPE_CHECKING:
    from seqkit.run import Run


step_option = click.option(
    "--step",
    type=click.IntRange(min=0),
    help="Use the checkpoint of this step. [default: that with the lowest validation loss]",
)


def open_run(directory: str, plugins: Sequence[str], verb: str, step: int | None = None) -> Any:
    """The run in a directory; also limits torch's threads to the number of free cores.

    Args:
        directory: the directory of the run.
        plugins: the plugins given on the command line.
        verb: the method that the command is going to call.
        step: the checkpoint to take; by default the best.
    Raises:
        WrongKindError: a run of this kind has no such method.
    """
    import seqkit

    run = seqkit.load(directory, plugins=plugins, step=step)
    leave_busy_cores()
    if not hasattr(type(run), verb):
        raise wrong_kind(run, directory, f"it has no {verb!r}")
    return run


def wrong_kind(run: Any, directory: str, why: str) -> WrongKindError:
    """The error for a request that a run of this kind cannot fulfil; it lists what the run can do."""
    does = run.verbs.replace("DIR", directory)
    return WrongKindError(f"{directory} is a run on {run.recipe.kind}; {why}.\n  {does}")


def open_seeds(directory: str, plugins: Sequence[str], step: int | None = None) -> Sequence[Run]:
    """The seeds in a directory, or the one run that it is; limits torch's threads as `open_run` does."""
    from seqkit.run import load_seeds

    runs = load_seeds(directory, plugins=plugins, step=step)
    leave_busy_cores()
    return runs
