"""Where processes meet that train together: JSON values in a store that all of them can read.

A value is waited for as long as it takes, since one of them may have to tokenise a large text.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]  # documented

from seqkit.errors import RankError

logger = logging.getLogger(__name__)

PIECE: Final = 2**18
"""Characters of a value that are set at once; a store refuses long ones."""
MINUTE: Final = 60.0
LONGEST_SLEEP_S: Final = 0.5
FAREWELL_S: Final = 5.0
"""Seconds that the first process waits at the end for one that has not said goodbye."""


class Meeting:
    """The part of a store that some processes use alone: a killed attempt may have left values in the rest.

    Args:
        store: the store.
        rank: number of this process.
        world: number of processes; all of them are waited for.
    """

    def __init__(self, store: Store, rank: int, world: int) -> None:
        self._rank = rank
        self.names = [f"rank {number}" for number in range(world)]
        self.store = self._handshake(PrefixStore("seqkit", store), rank, world)

    def put(self, key: str, value: Any) -> None:
        """Set a value, plain JSON."""
        text = json.dumps(value)
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        with self._reached():
            for number, piece in enumerate(pieces):
                self.store.set(f"{key}/{number}", piece)
            self.store.set(key, str(len(pieces)))

    def take(self, key: str, rank: int) -> Any:
        """The value that another process sets; it is waited for.

        Raises:
            RankError: that process has ended without it.
        """

        def is_there() -> bool:
            has_parted = self.has(f"parted/{rank}")  # looked at first: it may set both in between
            if self.has(key):
                return True
            if has_parted:
                raise RankError(f"{self.names[rank]} has ended")
            return False

        _wait(is_there, lambda: self.names[rank])
        with self._reached():
            pieces = int(self.store.get(key))
            return json.loads(b"".join(self.store.get(f"{key}/{number}") for number in range(pieces)))

    def has(self, key: str) -> bool:
        """Whether the value is set."""
        with self._reached():
            return bool(self.store.check([key]))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """An error of the store in the block becomes RankError."""
        try:
            yield
        except RuntimeError as error:
            lost = RankError(f"{self.names[0]} has gone: the processes cannot meet any more")
            lost.reporter = self._rank
            raise lost from error

    def part(self, rank: int, world: int) -> None:
        """Say goodbye; the first process may have the store, so it stays for a moment until all have."""
        with suppress(RuntimeError, RankError):  # the store has gone already
            self.store.set(f"parted/{rank}", "")
            until = time.monotonic() + FAREWELL_S
            while rank == 0 and time.monotonic() < until:
                if all(self.has(f"parted/{other}") for other in range(world)):
                    return
                time.sleep(0.02)

    def _handshake(self, store: Store, rank: int, world: int) -> Store:
        """
        rank 0                             rank 1
                                           hello/1 = b      a name of its own
        welcome/b = a                      (a: the name of the first one, and of the part of the store)
                                           joined/a/1
        """
        own = uuid.uuid4().hex
        if rank > 0:
            store.set(f"hello/{rank}", own)
            _wait(lambda: store.check([f"welcome/{own}"]), lambda: self.names[0])
            chosen = store.get(f"welcome/{own}").decode()
            store.set(f"joined/{chosen}/{rank}", "")
            return PrefixStore(chosen, store)

        def missing() -> list[int]:
            for other in range(1, world):
                if store.check([f"hello/{other}"]):
                    store.set(f"welcome/{store.get(f'hello/{other}').decode()}", own)
            return [other for other in range(1, world) if not store.check([f"joined/{own}/{other}"])]

        _wait(lambda: not missing(), lambda: ", ".join(self.names[other] for other in missing()))
        return PrefixStore(own, store)


def _wait(is_there: Callable[[], bool], whom: Callable[[], str]) -> None:
    """Wait until it is there; every minute a warning names whom it is waiting for."""
    asked = noted = time.monotonic()
    while not is_there():
        now = time.monotonic()
        time.sleep(min(0.01 + 0.1 * (now - asked), LONGEST_SLEEP_S))
        if now - noted > MINUTE:
            noted = now
            logger.warning("waiting for %s since %.0f min", whom(), (now - asked) / 60)
