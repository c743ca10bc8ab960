"""Several processes that train one model, with `torch.distributed`: those of torchrun, or of a process group.

Before training they write JSON to a store that all of them can read, and wait for each other as long as it
takes: one of them may have to tokenise a large text. In training they exchange rows of ten numbers:

    flags    place        where in the training this process is; all must be at the same one
             failed       this process has raised an exception
             culprit      its rank + 1
             gather       the first process wants the carried state of all
    numbers  ...          the six of a `Message`, or others

Every exchange has the flags, so that a process can fail, or the first one save a checkpoint, wherever the
others are. Nothing is pickled.
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import IntEnum
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from seqkit.errors import RankError, SeqkitError
from seqkit.training.ranks import ALONE, Message, Ranks, Value

logger = logging.getLogger(__name__)

CONNECT_S: Final = 60
"""Seconds for the processes to connect, once all of them are ready."""
CALL_S: Final = 2.0
"""Seconds in which the processes that are left report that they are there, after another one has gone."""
PIECE: Final = 2**18
"""Characters of a value in the store; it refuses long ones."""
MINUTE: Final = 60.0
FLAGS, NUMBERS = 4, 6
FAILED, CULPRIT, GATHER = 1, 2, 3


class Place(IntEnum):
    """Where in a training an exchange is."""

    STEP = 1
    SUM = 2
    END = 3


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that train together.

    They are those of an initialized process group, else those of torchrun's environment, `RANK`, `WORLD_SIZE`,
    `MASTER_ADDR` and `MASTER_PORT`; without either this process is alone.

    Raises:
        RankError: the environment is incomplete, or the first process cannot be reached.
    """
    if dist.is_available() and dist.is_initialized():
        if dist.get_world_size() == 1:
            yield ALONE
            return
        store = dist.distributed_c10d._get_default_store()  # torch has no public way to it
        together = Together(store, dist.get_rank(), dist.get_world_size())
    elif int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    else:
        together = Together(_store(), int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    with together.agreed():
        pass  # another one may have failed before it came here
    try:
        yield together
    finally:
        together.disconnect()


def report(error: SeqkitError) -> bool:
    """Whether this process is the one to print an error; the others have heard of it then."""
    rank = int(os.environ.get("RANK", "0"))
    if isinstance(error, RankError):
        return rank == error.reporter
    if not error.is_known and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        try:
            together = Together(_store(), rank, int(os.environ["WORLD_SIZE"]))
            with together.agreed():
                raise error
        except RankError:
            return True
        except SeqkitError:
            pass
    return rank == 0


_stores: dict[tuple[str, str], dist.Store] = {}


def _store() -> dist.Store:
    """The store of torchrun, or one of the first process."""
    names = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in names if name not in os.environ]:
        raise RankError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {', '.join(missing)} is not set.\n"
            "  Start the processes with torchrun, or with --ranks N."
        )
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    if (host, port) not in _stores:
        is_torchruns = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        try:
            _stores[host, port] = dist.TCPStore(
                host,
                int(port),
                is_master=os.environ["RANK"] == "0" and not is_torchruns,
                timeout=timedelta(minutes=10),
                wait_for_workers=False,
            )
        except (RuntimeError, ValueError) as error:
            raise RankError(
                f"the first process cannot be reached at {host}:{port} ({_first_line(error)}).\n"
                "  These are MASTER_ADDR and MASTER_PORT: the first process must be able to open the port, and "
                "the others to reach it."
            ) from error
    return _stores[host, port]


class Together(Ranks):
    """Several processes; see `joined`.

    Args:
        store: keys and values that all processes can read.
        rank: number of this process.
        world: number of processes.
    """

    def __init__(self, store: dist.Store, rank: int, world: int) -> None:
        self.rank, self.world = rank, world
        self._store = _handshake(store, rank, world)
        self._meetings = 0
        self._messages: Any = None
        self._gradients: Any = None
        self._compress = "none"
        self._owns_group = False
        self._error: RankError | None = None
        self._state: Callable[[], tuple[int, list[Tensor] | None]] = lambda: (0, None)
        self.hosts = tuple(self.meet(platform.node()))

    # Before training: values through the store.

    def meet(self, value: Any) -> list[Any]:
        """The JSON values of all processes, by rank."""
        self._meetings += 1
        name = f"meeting/{self._meetings}"
        self._set(f"{name}/{self.rank}", value)
        if not self.first:
            found: list[Any] = self._get(f"{name}/all", [0])
            return found
        values = [self._get(f"{name}/{rank}", [rank]) for rank in range(self.world)]
        self._set(f"{name}/all", values)
        return values

    def broadcast(self, value: Value) -> Value:
        """The JSON value of the first process."""
        self._meetings += 1
        if self.first:
            self._set(f"value/{self._meetings}", value)
            return value
        found: Value = self._get(f"value/{self._meetings}", [0])
        return found

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """An exception of any process in the block is raised by all, at its end."""
        own: Exception | None = None
        try:
            yield
        except Exception as error:
            own = error
        failures = self.meet(None if own is None else _described(own))
        if isinstance(own, SeqkitError):
            own.is_known = True
        if own is not None:
            raise own
        for rank, failure in enumerate(failures):
            if failure is not None:
                raise self._failure(rank, failure)

    def _set(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        for number, piece in enumerate(pieces):
            self._store.set(f"{key}/{number}", piece)
        self._store.set(key, str(len(pieces)))

    def _get(self, key: str, of: list[int]) -> Any:
        """A value that another process sets; it is waited for."""
        asked = noted = time.monotonic()
        while not self._store.check([key]):
            time.sleep(min(0.01 + 0.1 * (time.monotonic() - asked), 0.5))
            if time.monotonic() - noted > MINUTE:
                noted = time.monotonic()
                waited = (noted - asked) / 60
                logger.warning("waiting for %s since %.0f min", self._named(of), waited)
        pieces = int(self._store.get(key))
        return json.loads(b"".join(self._store.get(f"{key}/{number}") for number in range(pieces)))

    def _named(self, ranks: list[int]) -> str:
        hosts = [f" ({self.hosts[rank]})" if self.hosts else "" for rank in ranks]
        return " and ".join(f"rank {rank}{host}" for rank, host in zip(ranks, hosts, strict=True))

    def _failure(self, rank: int, described: Mapping[str, Any]) -> RankError:
        error = RankError(f"{self._named([rank])}: {described['message']}")
        error.exit_code, error.is_known = described["exit_code"], True
        return error

    # The process group.

    def connect(self, device: str, timeout_minutes: float, compress: str) -> None:
        """Make the process group, unless there is one, and groups of our own in it."""
        self._compress = compress
        self.backends = "gloo" if device == "cpu" else "gloo, nccl"
        offered = self.meet(_address())
        try:
            if not dist.is_initialized():
                dist.init_process_group(
                    "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl",
                    store=dist.PrefixStore("group", self._store),
                    rank=self.rank,
                    world_size=self.world,
                    timeout=timedelta(seconds=CONNECT_S),
                )
                self._owns_group = True
            timeout = timedelta(minutes=timeout_minutes)
            self._messages = dist.new_group(backend="gloo", timeout=timeout)
            self._gradients = (
                self._messages if device == "cpu" else dist.new_group(backend="nccl", timeout=timeout)
            )
        except (RuntimeError, ValueError) as error:
            addresses = ", ".join(
                f"rank {rank} ({host}) {address}"
                for rank, (host, address) in enumerate(zip(self.hosts, offered, strict=True))
            )
            raise RankError(
                f"the {self.world} processes cannot be connected in {CONNECT_S} s ({_first_line(error)}).\n"
                f"  Their addresses: {addresses}.\n"
                "  If one of these is not reachable for the others, such as 127.0.0.1, set GLOO_SOCKET_IFNAME "
                "on each machine to the name of one network interface, such as eth0."
            ) from error

    def disconnect(self) -> None:
        """End the process group, if this object has made it, else its own groups in it."""
        groups = {self._messages, self._gradients} - {None}
        self._messages = self._gradients = None
        if self._owns_group:
            groups = {None}  # the whole
        for group in groups:
            dist.destroy_process_group(group)

    def wrap(self, module: nn.Module, unused: bool) -> nn.Module:
        """The module in DistributedDataParallel."""
        wrapped = DistributedDataParallel(
            module,
            forward_sync_buffers=False,  # seqkit's buffers are constants
            find_unused_parameters=unused,
            process_group=self._gradients,
        )
        if self._compress == "bfloat16":
            from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook

            wrapped.register_comm_hook(self._gradients, bf16_compress_hook)
        return wrapped

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of the first process, on the CPU."""
        kinds = self.broadcast(
            [
                (name, str(value.dtype).removeprefix("torch."), list(value.shape))
                for name, value in tensors.items()
            ]
        )
        found = {}
        for name, dtype, shape in kinds:
            value = (
                tensors[name].detach().cpu().contiguous()
                if self.first
                else torch.empty(shape, dtype=getattr(torch, dtype))
            )
            if value.numel():
                with self._connected():
                    dist.broadcast(value.view(-1).view(torch.uint8), src=0, group=self._messages)
            found[name] = value
        return found

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """An error of the connection in the block becomes RankError, with the ranks that have gone."""
        if self._error is not None:
            raise self._error
        try:
            yield
        except RuntimeError as error:
            if not _is_of_the_connection(error):
                raise
            self._error = self._gone(error)
            raise self._error from error

    def _gone(self, error: RuntimeError) -> RankError:
        """The error for a lost connection: the processes that are left find out who is missing."""
        if "imed out" in str(error):
            return RankError(f"another process has not answered in time ({_first_line(error)}).")
        left = {self.rank}
        try:
            self._store.set(f"left/{self.rank}", "")
            until = time.monotonic() + CALL_S
            while time.monotonic() < until and len(left) < self.world:
                left |= {rank for rank in range(self.world) if self._store.check([f"left/{rank}"])}
                time.sleep(0.05)
        except RuntimeError:  # the store was in the first process
            return RankError(f"{self._named([0])} has gone")
        gone = sorted(set(range(self.world)) - left)
        lost = RankError(f"{self._named(gone)} {'has' if len(gone) == 1 else 'have'} gone")
        lost.reporter = min(left)
        if not gone:
            lost = RankError(f"the connection to another process is lost ({_first_line(error)})")
        return lost

    # In training.

    def message(self, own: Message) -> Message:
        """The sum of the messages of a step."""
        on_device = own.total.device.type != "cpu"
        total, tokens, rows, batches, stop, seconds = self._exchange(
            Place.STEP,
            0.0 if on_device else own.total.item(),
            own.tokens,
            own.rows,
            own.batches,
            self._stop_number(own.stop),
            own.seconds if self.first else 0.0,
        )
        summed = torch.tensor(total, dtype=torch.float64)
        if on_device:
            summed = own.total.clone()
            with self._connected():
                dist.all_reduce(summed, group=self._gradients)
        return Message(summed, int(tokens), int(rows), int(batches), self._stop_signal(stop), seconds)

    def sum(self, *numbers: float, stop: int = 0) -> tuple[tuple[float, ...], int]:
        """The sums of numbers over the processes, and the signal that one of them has received."""
        heard, *sums = self._exchange(Place.SUM, self._stop_number(stop), *numbers)
        return tuple(sums[: len(numbers)]), self._stop_signal(heard)

    def _stop_number(self, stop: int) -> int:
        """A signal as a number whose sum over the processes can be read."""
        return 0 if not stop else 1 if stop == signal.SIGINT else self.world + 1

    def _stop_signal(self, total: float) -> int:
        return 0 if not total else signal.SIGTERM if total > self.world else signal.SIGINT

    def serve(self, state: Callable[[], tuple[int, list[Tensor] | None]]) -> None:
        """Set the function that has the step and the leaves of the carried state."""
        self._state = state

    def gather(self, leaves: list[Tensor] | None) -> list[Tensor] | None:
        """The rows of all processes, of each leaf."""
        if not self.first:
            raise RankError("only the first process takes a snapshot.")
        self._exchange(Place.END, wants_rows=True)
        return self._rows()

    @contextmanager
    def averaging(self) -> Iterator[None]:
        """The backward pass: after an exception in it the processes cannot exchange anything."""
        try:
            with self._connected():
                yield
        except BaseException as error:
            if self._error is None:
                self._error = RankError(f"the gradients could not be averaged: {_first_line(error)}")
            raise

    def leave(self, error: BaseException) -> None:
        """Report to the others that this process has failed."""
        if self._error is not None or (isinstance(error, SeqkitError) and error.is_known):
            return
        if isinstance(error, SeqkitError):
            error.is_known = True
        self._store.set(f"failed/{self.rank}", json.dumps(_described(error)))
        try:
            self._exchange(Place.STEP, failed=True)
        except RankError as other:
            self._error = None if other.is_known else other

    def close(self) -> None:
        """Wait until all processes are here, and give the first one what it gathers until then."""
        if self._messages is None:
            return
        try:
            self._exchange(Place.END)
        except RankError as error:
            logger.debug("the processes end without a farewell: %s", error)

    def _exchange(
        self, place: Place, *numbers: float, failed: bool = False, wants_rows: bool = False
    ) -> list[float]:
        """The sums of numbers, once all processes are at this place.

        Raises:
            RankError: a process has failed or gone, or is at another place.
        """
        while True:
            flags = [0 if failed or wants_rows else place, failed, failed * (self.rank + 1), wants_rows]
            row = torch.tensor([*flags, *numbers, *[0.0] * (NUMBERS - len(numbers))], dtype=torch.float64)
            with self._connected():
                dist.all_reduce(row, group=self._messages)
            found = row.tolist()
            if found[FAILED]:
                raise self._failed(found)
            if found[GATHER]:
                if wants_rows:
                    return found[FLAGS:]
                self._rows()
                continue
            if found[0] != place * self.world:
                raise RankError(
                    "the processes do not do the same: one trains, while another evaluates or has ended.\n"
                    "  Call fit with the same arguments in all of them; other methods only in the first."
                )
            return found[FLAGS:]

    def _failed(self, found: list[float]) -> RankError:
        """The error of the process that has failed; the first of them, if several have."""
        if found[FAILED] == 1:
            rank = int(found[CULPRIT]) - 1
        else:
            rank = next(rank for rank in range(self.world) if self._store.check([f"failed/{rank}"]))
        return self._failure(rank, json.loads(self._store.get(f"failed/{rank}")))

    def _rows(self) -> list[Tensor] | None:
        """Send the leaves of the carried state to the first process; returns all rows there."""
        step, leaves = self._state()
        own = torch.tensor([step, -1 if leaves is None else len(leaves), len(leaves[0]) if leaves else 0])
        every = [torch.empty_like(own) for _ in range(self.world)]
        with self._connected():
            dist.all_gather(every, own, group=self._messages)
        if any(one[:2].tolist() != own[:2].tolist() for one in every):
            error = RankError(
                "the processes are at different steps, so there is no checkpoint of this moment."
            )
            if self.first:
                raise error
            return None
        counts = [int(one[2]) for one in every]
        return None if leaves is None else [self._gathered(leaf, counts) for leaf in leaves]

    def _gathered(self, leaf: Tensor, counts: list[int]) -> Tensor:
        width = math.prod(leaf.shape[1:])
        data = leaf.detach().cpu().reshape(len(leaf), width).contiguous().view(torch.uint8)
        padded = data.new_zeros(max(counts), data.shape[1])
        padded[: len(data)] = data
        parts = [torch.empty_like(padded) for _ in counts] if self.first else None
        with self._connected():
            dist.gather(padded, parts, dst=0, group=self._messages)
        if parts is None:
            return leaf
        rows = torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
        return rows.view(leaf.dtype).reshape(sum(counts), *leaf.shape[1:])


def _handshake(store: dist.Store, rank: int, world: int) -> dist.Store:
    """A part of the store that these processes alone use: a killed attempt may have left keys in it."""
    own = uuid.uuid4().hex
    store = dist.PrefixStore("seqkit", store)
    store.set(f"hello/{rank}", own)
    while True:
        if rank == 0:
            greeted = {
                store.get(f"hello/{other}").decode()
                for other in range(1, world)
                if store.check([f"hello/{other}"])
            }
            for other in greeted:
                store.set(f"welcome/{other}", own)
            if all(store.check([f"joined/{own}/{other}"]) for other in range(1, world)):
                return dist.PrefixStore(own, store)
        elif store.check([f"welcome/{own}"]):
            chosen = store.get(f"welcome/{own}").decode()
            store.set(f"joined/{chosen}/{rank}", "")
            return dist.PrefixStore(chosen, store)
        time.sleep(0.02)


def _described(error: BaseException) -> dict[str, Any]:
    """An exception as JSON values, for the other processes."""
    is_ours = isinstance(error, SeqkitError)
    message = str(error) if is_ours else f"{type(error).__name__}: {error}"
    return {"message": message, "exit_code": error.exit_code if isinstance(error, SeqkitError) else 1}


def _address() -> str:
    """The address that gloo offers by default: that of the host's name."""
    try:
        return os.environ.get("GLOO_SOCKET_IFNAME") or socket.gethostbyname(socket.gethostname())
    except OSError:
        return "unknown"


def _is_of_the_connection(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in ("gloo", "nccl"))


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0].strip()
