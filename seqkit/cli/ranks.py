"""Several processes on the command line: `--ranks` starts them, and the first one prints."""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from seqkit.cli.foreign import echo
from seqkit.errors import SeqkitError
from seqkit.launch import rank, world

if TYPE_CHECKING:
    from pathlib import Path

    from seqkit.cli.report import Report
    from seqkit.recipe import Recipe

STAYS_S: Final = 1.0
"""Seconds that a process which fails stays after it has said so: then torchrun ends the others."""
SAVES_WITHIN_S: Final = 600
"""Seconds in which the processes have saved, after a signal; then they are killed."""
SPARED_S: Final = 120.0
"""Seconds before the end of a SLURM job in which training has stopped."""
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

ranks_option = click.option(
    "--ranks",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of processes of this machine that train the run together.",
)
stop_after_option = click.option(
    "--stop-after",
    metavar="TIME",
    help="Save and stop this time after the start of the command, such as 3h50m, or `slurm` for the end of "
    "the SLURM job; the recipe's budget does not change.",
)
stop_on_option = click.option(
    "--stop-on", metavar="SIGNALS", help="Save and stop at these signals too, such as USR1,USR2."
)


def start_ranks(count: int, words: Sequence[str]) -> None:
    """Start the same command in several processes, and end as they do.

    Args:
        count: number of processes.
        words: all words that were typed after `seqkit`.
    """
    if world() > 1:
        raise click.UsageError("--ranks starts processes of its own; under torchrun leave it out.")
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    from seqkit.cores import free_cores

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, free_cores() // count)))
    logging.disable(logging.CRITICAL)  # the first process reports
    options = ["--standalone", "--nproc-per-node", str(count), "--shutdown-timeout", str(SAVES_WITHIN_S)]
    options += ["--signals-to-handle", "SIGTERM,SIGINT"]
    for name in ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))  # torchrun passes that on
    try:
        with TemporaryDirectory(prefix="seqkit-") as logs:
            arguments = [*options, "--log-dir", logs, "-m", "seqkit", *without_ranks(words)]
            run(parse_args(arguments))  # type: ignore[no-untyped-call]  # torch has not typed them
    except ChildFailedError as error:
        sys.exit(exit_code({rank: failure.exitcode for rank, failure in error.failures.items()}))
    except SignalException as stop:
        sys.exit(128 + (signal.SIGINT if stop.sigval == signal.SIGINT else signal.SIGTERM))


def exit_code(codes: Mapping[int, int]) -> int:
    """The exit code for those of the processes, by rank; negative ones are signals that ended a process.

    A process that a signal has ended could say nothing. If no other has heard of it, it is named here.
    """
    reported = [code for code in codes.values() if 0 < code < 128]
    if reported:
        return reported[0]
    asked = (signal.SIGTERM, signal.SIGINT)  # torchrun ends the others with the first
    for number, code in codes.items():
        if code < 0 and -code not in asked:
            name = signal.Signals(-code).name
            hint = "\n  Was there enough memory?" if -code == signal.SIGKILL else ""
            echo(f"Error: rank {number} was ended by {name}.{hint}", err=True)
            return 1
    return next(code if code > 0 else 128 - code for code in codes.values())


def end_process(code: object) -> NoReturn:
    """End one of several processes at once: a destructor of PyTorch's threads aborts it now and then."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def without_ranks(words: Sequence[str]) -> list[str]:
    """The words of a command without `--ranks N`."""
    left, is_value = [], False
    for word in words:
        if not is_value and word != "--ranks" and not word.startswith("--ranks="):
            left.append(word)
        is_value = word == "--ranks"
    return left


def train(
    report: Report,
    recipe: Recipe,
    given: str,
    seeds: int,
    options: dict[str, Any],
    as_json: bool,
    *,
    has_own_data: bool,
) -> Path | None:
    """`Report.train` in the first process; the others train together with it, and print nothing.

    Returns:
        The directory, in the first process.
    """
    import seqkit

    if rank() == 0:
        return report.train(recipe, given, seeds, options, as_json, has_own_data=has_own_data)
    if seeds > 1:
        from seqkit.run import train_seeds

        train_seeds(recipe, seeds, **options)
    else:
        seqkit.train(recipe, **options)
    return None


def is_reporter(error: SeqkitError) -> bool:
    """Whether this process prints an error; the others have heard of it, and are silent."""
    if world() == 1:
        return True
    from seqkit.training.joining import report

    if report(error):
        return True
    time.sleep(STAYS_S)
    return False


def stopping(after: str | None, on: str | None) -> AbstractContextManager[None]:
    """The block in which training saves and stops after a time, or at further signals."""
    from seqkit.training import signals

    also = [_signal(name) for name in (on or "").split(",") if name.strip()]
    return signals.stopping(also, None if after is None else _limit(after))


def _signal(name: str) -> signal.Signals:
    full = f"SIG{name.strip().upper().removeprefix('SIG')}"
    found = getattr(signal, full, None)
    if not isinstance(found, signal.Signals) or found in (signal.SIGKILL, signal.SIGSTOP):
        raise click.UsageError(f"--stop-on: there is no signal {name.strip()!r} that a program can handle.")
    return found


def _limit(text: str) -> Any:
    from seqkit.training.signals import Limit

    if text == "slurm":
        ends = os.environ.get("SLURM_JOB_END_TIME", "")
        if not ends.isdecimal():
            raise click.UsageError(
                "--stop-after slurm reads SLURM_JOB_END_TIME, which is not set here: SLURM sets it in a job "
                "that has a time limit (version 23.02 or later).\n  Give the time: --stop-after 3h50m."
            )
        return Limit(int(ends) - time.time() - SPARED_S, spared=True)
    found = _SPAN.fullmatch(text)
    parts = [int(part or 0) for part in found.groups()] if found else []
    if not any(parts):
        raise click.UsageError(
            f"--stop-after takes a time with units, such as 3h50m, 90m or 45s, or slurm; got {text!r}."
        )
    days, hours, minutes, seconds = parts
    return Limit(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
