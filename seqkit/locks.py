"""Locks between processes, also on file systems that have none."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import BaseFileLock, FileLock, SoftFileLease

logger = logging.getLogger(__name__)

WITHOUT_LOCKS: Final = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})
LEASE_S: Final = 30.0
"""Seconds without renewal after which a lease may be taken by another process."""


def acquire(
    file: Path,
    *,
    blocking: bool = True,
    timeout: float = 0.0,
    on_lost: Callable[[], None] = lambda: None,
) -> BaseFileLock:
    """Acquire a lock on a file; where the file system has no locks, a lease, which this process renews.

    Args:
        file: the file of the lock; that of the lease is `lease_of(file)`.
        blocking: wait for another process.
        timeout: seconds to wait for a lease, if it does not block.
        on_lost: called from a thread, when the lease was not renewed in time.
    Raises:
        Timeout: another process has it.
    """
    try:
        lock: BaseFileLock = FileLock(file, fallback_to_soft=False)
        lock.acquire(timeout=-1 if blocking else 0.2)  # a reader may be looking whether it is held
        return lock
    except OSError as error:  # Timeout is one, without a number
        if error.errno not in WITHOUT_LOCKS:
            raise
    file.unlink(missing_ok=True)
    logger.warning("%s is on a file system without locks, so a lease is used", file.parent)
    lease = SoftFileLease(lease_of(file), lease_duration=LEASE_S, on_compromise=lambda _: on_lost())
    lease.acquire(timeout=-1 if blocking else timeout)
    return lease


def is_held(file: Path) -> bool:
    """Whether a process has the lock on a file; it is not changed."""
    import fcntl  # here, since Windows has none

    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def lease_of(file: Path) -> Path:
    """The file of the lease that stands for a lock."""
    return file.with_name(file.name + ".lease")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock in the block; another process is waited for."""
    lock = acquire(file)
    try:
        yield
    finally:
        lock.release()
