"""Map a function over a stream of items in several processes, with the results in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_function: Callable[[Any], Any]


def processes_here() -> int:
    """Number of processes that can run at once; 1 if they would have to import the user's program again."""
    # A forked process already has the function in its memory, and uses no threads of torch.
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int
) -> Iterator[tuple[Item, Result]]:
    """Each item and its result; only a few items per process are read ahead.

    Args:
        function: its arguments and results are pickled between processes; the function itself is not.
        items: items, read in this process.
        processes: number of processes; 1 runs in this process.
    """
    if processes == 1:
        for item in items:
            yield item, function(item)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, context, _begin, (function,)) as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(_work, item)))
                if len(waiting) > 2 * processes:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    # Ctrl-C reaches every process of a terminal: the one that waits for the results ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _work(item: Any) -> Any:
    return _function(item)
