"""Functions that several processes run together, for the tests of `seqkit.training.together`."""

from __future__ import annotations

import os
import pickle
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tests.forked import forking

TIMEOUT_S = 120


def together(world: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """The results of `function(*arguments)`, called in `world` processes, by rank.

    Raises:
        AssertionError: a process ended with an exception, or none of its results came in time.
    """
    context, port = forking(), free_port()
    processes, ends = [], []
    for rank in range(world):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(theirs, rank, world, port, function, arguments))
        process.start()
        theirs.close()
        processes.append(process)
        ends.append(ours)
    try:
        results = [_received(rank, end) for rank, end in enumerate(ends)]
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    return results


def _received(rank: int, end: Connection) -> Any:
    assert end.poll(TIMEOUT_S), f"rank {rank} has not ended"
    try:
        result, error = pickle.loads(end.recv_bytes())
    except EOFError:
        return None  # it was killed
    assert error is None, f"rank {rank}: {error}"
    return result


def _call(
    end: Connection, rank: int, world: int, port: int, function: Callable[..., Any], arguments: Any
) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    try:
        end.send_bytes(pickle.dumps((function(*arguments), None)))
    except BaseException:
        end.send_bytes(pickle.dumps((None, traceback.format_exc())))
    end.close()


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def share_as(ranks: Any, rows: list[int]) -> None:
    """Give each process this many rows of every batch of 32; of another batch the same shares."""
    ends = [sum(rows[:number]) for number in range(len(rows) + 1)]
    first, last = ends[ranks.rank : ranks.rank + 2]
    ranks.share = lambda count: slice(count * first // ends[-1], count * last // ends[-1])
