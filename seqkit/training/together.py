"""Several processes that train one model, with `torch.distributed`.

Before training they exchange JSON values, see `Meeting`. In training they exchange rows of twelve numbers:

    flags    place        where in the training this process is; all must be at the same one
             its square   equal places have equal squares, and other places have not
             failed       this process has raised an exception
             culprit      its rank + 1
             gather       the first process wants the carried state of all
    numbers  ...          the seven of a `Message`, or others

Every exchange has the flags, so that a process can fail, or the first one save a checkpoint, wherever the
others are. Nothing is pickled.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import IntEnum
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]  # documented
from torch.nn.parallel import DistributedDataParallel

from seqkit.errors import RankError, SeqkitError
from seqkit.training.meeting import Meeting
from seqkit.training.ranks import Message, Ranks, Value

logger = logging.getLogger(__name__)

CONNECT_S: Final = 60
"""Seconds for the processes to connect, once all of them are ready."""
CALL_S: Final = 2.0
"""Seconds in which the processes that are left report that they are there, after another one has gone."""
FLAGS, NUMBERS = 5, 7
PLACE, SQUARE, FAILED, CULPRIT, GATHER = range(FLAGS)


class Place(IntEnum):
    """Where in a training an exchange is."""

    STEP = 1
    SUM = 2
    END = 3


class Together(Ranks):
    """Several processes; see `joining.joined`.

    Args:
        store: keys and values that all processes can read.
        rank: number of this process.
        world: number of processes.
    """

    def __init__(self, store: Store, rank: int, world: int) -> None:
        self.rank, self.world = rank, world
        self._meeting = Meeting(store, rank, world)
        self._met = 0
        self._messages: Any = None
        self._gradients: Any = None
        self._compress = "none"
        self._owns_group = False
        self._state: Callable[[], tuple[int, list[Tensor] | None]] = lambda: (0, None)
        self.hosts = tuple(self.meet(platform.node()))
        self._meeting.names = [f"rank {number} ({host})" for number, host in enumerate(self.hosts)]

    # Before training: values through the store.

    def meet(self, value: Any) -> list[Any]:
        """The JSON values of all processes, by rank."""
        name = self._next("meeting")
        self._meeting.put(f"{name}/{self.rank}", value)
        if not self.first:
            found: list[Any] = self._meeting.take(f"{name}/all", 0)
            return found
        values = [self._meeting.take(f"{name}/{rank}", rank) for rank in range(self.world)]
        self._meeting.put(f"{name}/all", values)
        return values

    def broadcast(self, make: Callable[[], Value]) -> Value:
        """The JSON value that `make` returns in the first process; an exception of it is raised by all."""
        name = self._next("value")
        if not self.first:
            found, failure = self._meeting.take(name, 0)
            if failure is not None:
                raise self._failure(0, failure)
            value: Value = found
            return value
        try:
            value = make()
        except Exception as error:
            self._meeting.put(name, (None, _described(error)))
            if isinstance(error, SeqkitError):
                error.is_known = True
            raise
        self._meeting.put(name, (value, None))
        return value

    def _next(self, what: str) -> str:
        self._met += 1
        return f"{what}/{self._met}"

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

    def _named(self, ranks: list[int]) -> str:
        return " and ".join(self._meeting.names[rank] for rank in ranks)

    def _failure(self, rank: int, described: Mapping[str, Any]) -> RankError:
        error = RankError(f"{self._named([rank])}: {described['message']}")
        error.exit_code, error.is_known = described["exit_code"], True
        return error

    # The process group.

    def connect(self, device: torch.device, timeout_minutes: float = 10.0, compress: str = "none") -> None:
        """Make the process group, unless there is one, and groups of our own in it."""
        self._compress = compress
        on_cpu = device.type == "cpu"
        self.backends = "gloo" if on_cpu else "gloo, nccl"
        if not on_cpu:
            torch.cuda.set_device(device)  # NCCL would take another one
        offered = self.meet(_address())
        try:
            if not dist.is_initialized():
                dist.init_process_group(
                    "gloo" if on_cpu else "cpu:gloo,cuda:nccl",
                    store=PrefixStore("group", self._meeting.store),
                    rank=self.rank,
                    world_size=self.world,
                    timeout=timedelta(seconds=CONNECT_S),
                )
                self._owns_group = True
            timeout = timedelta(minutes=timeout_minutes)
            self._messages = dist.new_group(backend="gloo", timeout=timeout)
            self._gradients = self._messages if on_cpu else dist.new_group(backend="nccl", timeout=timeout)
        except (RuntimeError, ValueError) as error:
            addresses = ", ".join(
                f"{name} {address}" for name, address in zip(self._meeting.names, offered, strict=True)
            )
            raise RankError(
                f"the {self.world} processes cannot be connected in {CONNECT_S} s ({first_line(error)}).\n"
                f"  Their addresses: {addresses}.\n"
                "  If one of these cannot be reached from the others, such as 127.0.0.1, set "
                "GLOO_SOCKET_IFNAME on each machine to the name of one network interface, such as eth0."
            ) from error

    def disconnect(self) -> None:
        """End the process group, if this object has made it, else its own groups in it."""
        groups = {self._messages, self._gradients} - {None}
        self._messages = self._gradients = None
        if self._owns_group:
            groups = {None}  # the whole
        for group in groups:
            dist.destroy_process_group(group)
        self._meeting.part(self.rank, self.world)

    def wrap(self, module: nn.Module, unused: bool) -> nn.Module:
        """The module in DistributedDataParallel."""
        wrapped = DistributedDataParallel(
            module,
            forward_sync_buffers=False,  # each process has its own, which do not depend on its rows
            find_unused_parameters=unused,
            process_group=self._gradients,
        )
        if self._compress == "bfloat16":
            from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook

            # PyTorch allows this hook for NCCL only, by its name; gloo can add bfloat16 as well.
            wrapped.register_comm_hook(
                self._gradients, lambda group, bucket: bf16_compress_hook(group, bucket)
            )
        return wrapped

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of the first process, on the CPU."""
        kinds = self.broadcast(
            lambda: [
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
        if self.lost is not None:
            raise self.lost
        try:
            yield
        except RuntimeError as error:
            if not _is_of_the_connection(error):
                raise
            self.lost = self._gone(error)
            raise self.lost from error

    def _gone(self, error: RuntimeError) -> RankError:
        """The error for a lost connection: the processes that are left find out who is missing."""
        if self._gradients is not self._messages:
            with suppress(Exception):
                self._gradients.abort()  # else a GPU waits for the one that has gone
        left = {self.rank}
        try:
            self._meeting.put(f"left/{self.rank}", None)
            until = time.monotonic() + CALL_S
            while time.monotonic() < until and len(left) < self.world:
                left |= {rank for rank in range(self.world) if self._meeting.has(f"left/{rank}")}
                time.sleep(0.05)
        except RankError:  # the store was in the first process
            left = set(range(1, self.world))
        gone = sorted(set(range(self.world)) - left)
        if not gone:
            lost = RankError(f"the connection to another process is lost ({first_line(error)})")
        elif "imed out" in str(error):
            lost = RankError(f"{self._named(gone)} did not answer in time")
        else:
            lost = RankError(f"{self._named(gone)} {'has' if len(gone) == 1 else 'have'} gone")
        lost.reporter = min(left)
        return lost

    # In training.

    def message(self, own: Message) -> Message:
        """The sum of the messages of a step."""
        on_device = own.total.device.type != "cpu"
        total, tokens, rows, batches, stop, seconds, rates = self._exchange(
            Place.STEP,
            0.0 if on_device else own.total.item(),
            own.tokens,
            own.rows,
            own.batches,
            self._stop_number(own.stop),
            own.seconds if self.first else 0.0,
            own.rates,
        )
        summed = torch.tensor(total, dtype=torch.float64)
        if on_device and batches == self.world:
            summed = own.total.detach().double()
            with self._connected():
                dist.all_reduce(summed, group=self._gradients)
        counts = int(tokens), int(rows), int(batches)
        return Message(summed, *counts, self._stop_signal(stop), seconds, rates)

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
            if self.lost is None:
                self.lost = RankError(f"the gradients could not be averaged: {first_line(error)}")
                self.lost.reporter = self.rank
            raise

    def leave(self, error: BaseException) -> None:
        """Report to the others that this process has failed."""
        is_known = isinstance(error, SeqkitError) and error.is_known
        if self.lost is not None or self._messages is None or is_known:
            return
        with suppress(RankError):  # the connection is lost, which is kept
            self._meeting.put(f"failed/{self.rank}", _described(error))
            self._exchange(Place.STEP, failed=True)
            if isinstance(error, SeqkitError):
                error.is_known = True

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
            here = 0 if failed or wants_rows else int(place)
            flags = [here, here**2, failed, failed * (self.rank + 1), wants_rows]
            row = torch.tensor([*flags, *numbers, *[0.0] * (NUMBERS - len(numbers))], dtype=torch.float64)
            with self._connected():
                dist.all_reduce(row, group=self._messages)
            found = row.tolist()
            if failed:
                return found[FLAGS:]
            if found[FAILED]:
                raise self._failed(found)
            if found[GATHER]:
                if wants_rows:
                    return found[FLAGS:]
                self._rows()
                continue
            if (found[PLACE], found[SQUARE]) != (place * self.world, place**2 * self.world):
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
            rank = next(rank for rank in range(self.world) if self._meeting.has(f"failed/{rank}"))
        return self._failure(rank, self._meeting.take(f"failed/{rank}", rank))

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


def first_line(error: BaseException) -> str:
    """The first line of its message."""
    return str(error).split("\n", 1)[0].strip()
