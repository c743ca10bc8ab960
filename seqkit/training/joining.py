"""Which processes train together: those of torchrun, or of a process group that is there already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import torch.distributed as dist

from seqkit.errors import RankError, SeqkitError
from seqkit.launch import rank, world
from seqkit.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]  # documented

    from seqkit.training.together import Together


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that train together.

    They are those of an initialized process group, else those of torchrun's environment: `RANK`,
    `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT`. Without either, this process is alone.

    Raises:
        RankError: the environment is incomplete, or the first process cannot be reached.
    """
    has_group = dist.is_available() and dist.is_initialized()
    if (dist.get_world_size() if has_group else world()) == 1:
        yield ALONE
        return
    together = _together()
    _Process.has_joined = True
    with together.agreed():
        pass  # another one may have failed before it came here
    try:
        yield together
    finally:
        together.disconnect()


def report(error: SeqkitError) -> bool:
    """Whether this process is the one to print an error; the others have heard of it then."""
    if isinstance(error, RankError):
        return rank() == error.reporter
    if not _Process.has_joined and world() > 1:  # else the others do not wait for this one
        with suppress(SeqkitError):
            together = _together()
            try:
                with together.agreed():
                    raise error
            finally:
                together.disconnect()  # the first process has the store, and waits for the others
    return rank() == 0 or not error.is_known


class _Process:
    """What this process has done."""

    has_joined = False
    stores: ClassVar[dict[tuple[str, str], Store]] = {}


def _together() -> Together:
    """This process and the others, once all of them are here."""
    from seqkit.training.together import Together  # here, since not every build of PyTorch can do it

    if dist.is_initialized():
        store = dist.distributed_c10d._get_default_store()  # torch has no public way to it
        return Together(store, dist.get_rank(), dist.get_world_size())
    return Together(_store(), rank(), world())


def _store() -> Store:
    """The store of torchrun, or one of the first process."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented

    names = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in names if name not in os.environ]:
        raise RankError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {', '.join(missing)} is not set.\n"
            "  Start the processes with torchrun, or with --ranks N."
        )
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    if (host, port) not in _Process.stores:
        is_torchruns = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        try:
            _Process.stores[host, port] = TCPStore(
                host,
                int(port),
                is_master=os.environ["RANK"] == "0" and not is_torchruns,
                timeout=timedelta(minutes=10),
                wait_for_workers=False,
            )
        except (RuntimeError, ValueError) as error:
            raise RankError(
                f"the first process cannot be reached at {host}:{port} ({str(error).splitlines()[0]}).\n"
                "  These are MASTER_ADDR and MASTER_PORT: the first process must be able to open the port, "
                "and the others to reach it."
            ) from error
    return _Process.stores[host, port]
