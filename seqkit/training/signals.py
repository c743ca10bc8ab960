"""Ctrl-C and SIGTERM: an exception at once, except while something must not be cut in two.

first signal      Interrupted is raised; the training is saved
second            waits for the save, and ends what is left
third             ends the process at once
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
PATIENCE: Final = 3
"""The signal that ends the process at once, even in the middle of a save that hangs."""
_received, _waits = 0, False


class Interrupted(KeyboardInterrupt):
    """A training was stopped by a signal.

    Attributes:
        number: number of the signal; a command exits with 128 more.
        path: the run directory, if something was trained and saved.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number
        self.path: Path | None = None


@contextmanager
def stopping() -> Iterator[None]:
    """In the block, SIGINT and SIGTERM raise Interrupted; afterwards they do what they did before.

    A signal that the program handles itself, or ignores, is left alone. Signals reach the main thread only;
    in another one nothing changes.
    """
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        before = {number: usual[number] for number in SIGNALS if signal.getsignal(number) == usual[number]}
    global _received
    if before:
        _received = 0
    for number in before:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _count(number)
    raise Interrupted(number)


def _count(number: int) -> None:
    global _received
    _received += 1
    if _received >= PATIENCE:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


@contextmanager
def whole() -> Iterator[None]:
    """In the block, Ctrl-C and SIGTERM wait until its end.

    Signals reach the main thread only; in another one nothing changes.
    """
    global _waits
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread() or not before or _waits:
        yield
        return
    waiting: list[tuple[int, FrameType | None]] = []

    def wait(number: int, frame: FrameType | None) -> None:
        waiting.append((number, frame))
        if before[number] is _stop:
            _count(number)

    for handled in before:
        signal.signal(handled, wait)
    _waits = True
    try:
        yield
    finally:
        _waits = False
        for handled, handler in before.items():
            signal.signal(handled, handler)
        if waiting:
            number, frame = waiting[0]
            if before[number] is _stop:
                raise Interrupted(number)  # it was counted when it came
            before[number](number, frame)
