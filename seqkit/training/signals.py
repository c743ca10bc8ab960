"""Ctrl-C and SIGTERM: an exception at once, except while something must not be cut in two.

first signal      Interrupted is raised, at the end of a whole block if it comes in one; if Python drops
                  it, as it does in a destructor, it is raised again at the end of the next block
second            changes nothing: what the first one saves is saved
third             ends the process at once, even in a save that hangs
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
SAVES_SPARED: Final = 10
"""Saves that must fit before the end of a limit that is the scheduler's."""
PATIENCE: Final = 3
"""The signal that ends the process at once."""


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


class _Heard:
    """What has come since the outermost `stopping` began."""

    count = 0
    waiting: int | None = None
    """The signal that nobody has heeded yet."""
    depth = 0
    """Whole blocks that the main thread is in."""
    limit: Limit | None = None


class Limit:
    """A moment at which this process is to stop, as by SIGTERM.

    Args:
        seconds: seconds from now.
        spared: also stop so much earlier that ten saves fit, as long as the last one took.
    """

    def __init__(self, seconds: float, *, spared: bool = False) -> None:
        self._at, self._spared = time.monotonic() + seconds, spared
        self._timer: threading.Timer | None = None
        self._has_come = False

    def begin(self, margin_s: float = 0.0) -> None:
        """Start the clock, or set it to a moment that is earlier by a margin."""
        self.end()
        left = self._at - margin_s - time.monotonic()
        self._timer = threading.Timer(max(left, 0.0), self._come)
        self._timer.daemon = True
        self._timer.start()

    def _come(self) -> None:
        self._has_come = True
        os.kill(os.getpid(), signal.SIGTERM)

    def end(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def took(self, save_s: float) -> None:
        """Note how long a save took."""
        if self._spared and not self._has_come:
            self.begin(SAVES_SPARED * save_s)


def note_save(seconds: float) -> None:
    """Note how long a save took: a limit may have to come earlier."""
    if _Heard.limit is not None:
        _Heard.limit.took(seconds)


@contextmanager
def stopping(also: Sequence[int] = (), limit: Limit | None = None) -> Iterator[None]:
    """In the block, SIGINT and SIGTERM raise Interrupted; afterwards they do what they did before.

    A signal that the program handles itself, or ignores, is left alone. Signals reach the main thread only;
    in another one nothing changes.

    Args:
        also: further signals that mean the same as SIGTERM.
        limit: when to behave as if SIGTERM had come.
    """
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        before = {number: usual[number] for number in SIGNALS if signal.getsignal(number) == usual[number]}
    if before:
        _Heard.count, _Heard.waiting, _Heard.depth = 0, None, 0
        before |= {signal.Signals(number): signal.getsignal(number) for number in also}
        _Heard.limit = limit
    for number in before:
        signal.signal(number, _hear)
    if limit is not None:
        limit.begin()
    try:
        yield
        if before:
            _raise_what_waits()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if limit is not None:
            limit.end()
            _Heard.limit = None
        if before:
            heed()


def heed() -> None:
    """Say that the signal is dealt with: it is not raised again."""
    _Heard.waiting = None


def _raise_what_waits() -> None:
    if _Heard.waiting is not None:
        raise Interrupted(_Heard.waiting)


def _hear(number: int, frame: FrameType | None) -> None:
    _Heard.count += 1
    if _Heard.count >= PATIENCE:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    if _Heard.count > 1:
        return
    _Heard.waiting = number if number == signal.SIGINT else signal.SIGTERM
    if not _Heard.depth:
        raise Interrupted(_Heard.waiting)


@contextmanager
def noting() -> Iterator[Callable[[], int]]:
    """In the block SIGINT and SIGTERM raise nothing; a function says which one has come, 0 if none has."""
    with stopping():
        _Heard.depth += 1
        try:
            yield lambda: _Heard.waiting or 0
        finally:
            _Heard.depth -= 1


@contextmanager
def whole() -> Iterator[None]:
    """In the block, Ctrl-C and SIGTERM wait until its end.

    Signals reach the main thread only; in another one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _foreign_handlers_wait():
        _Heard.depth += 1
        try:
            yield
        finally:
            _Heard.depth -= 1
            if not _Heard.depth:
                _raise_what_waits()


@contextmanager
def _foreign_handlers_wait() -> Iterator[None]:
    """The same for handlers of the program that uses seqkit, and for Python's own, outside of `stopping`."""
    found: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: each for number, each in found.items() if callable(each) and each is not _hear}
    if _Heard.depth or not before:
        yield
        return
    waiting: list[tuple[int, FrameType | None]] = []
    for handled in before:
        signal.signal(handled, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        for handled, handler in before.items():
            signal.signal(handled, handler)
        if waiting:
            number, frame = waiting[0]
            before[number](number, frame)
