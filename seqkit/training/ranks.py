"""The processes that train one model: a rank is the number of one of them.

A trainer asks its `Ranks` for everything that depends on the others. In one process, `ALONE`, every answer
is what it gave itself; several processes are in `together.py`.

    rank 0   rows 0 1 2 |   forward, loss  -> Message -> backward -> gradients of all -> the same update
    rank 1   rows 3 4   |   forward, loss  ->   sum   -> backward ->   averaged       -> the same update
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from seqkit.errors import RankError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Message:
    """What the processes exchange in a step, after the forward pass: sums over all of them.

    Args:
        total: sum of the losses of the counted positions; a tensor, which may still be on the device.
        tokens: number of these positions.
        rows: rows of the batch.
        batches: processes that have a batch.
        stop: number of the signal that one of them has received; 0 if none has.
        seconds: seconds that the first process has spent.
        rates: sum of the learning rates of the parameter groups.
    """

    total: Tensor
    tokens: int
    rows: int
    batches: int = 1
    stop: int = 0
    seconds: float = 0.0
    rates: float = 0.0


class Ranks:
    """One process that trains alone; `Together` is the same for several.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
        hosts: the names of their machines, by rank.
        backends: how they exchange tensors, such as `"gloo"`.
        lost: why nothing can be exchanged any more; None while it can.
    """

    rank = 0
    world = 1
    hosts: tuple[str, ...] = ()
    backends = ""
    lost: RankError | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes the files and calls the callbacks."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The rows of this process: `count` rows in blocks whose sizes differ by one at most."""
        return block(count, self.rank, self.world)

    def wrap(self, module: nn.Module, unused: bool) -> nn.Module:
        """The module, whose gradients are averaged over the processes, and whose weights are the first's.

        Args:
            module: called for the forward pass, its loss included.
            unused: whether some weights get no gradient.
        """
        return module

    @contextmanager
    def averaging(self) -> Iterator[None]:
        """The backward pass, in which gradients are averaged."""
        yield

    def message(self, own: Message) -> Message:
        """The sum of the messages of a step.

        Raises:
            RankError: another process has failed, or has gone.
        """
        return own

    def sum(self, *numbers: float, stop: int = 0) -> tuple[tuple[float, ...], int]:
        """The sums of numbers over the processes, and the signal that one of them has received."""
        return numbers, stop

    def gather(self, leaves: list[Tensor] | None) -> list[Tensor] | None:
        """The rows of all processes, `(all rows, ...)`, of each leaf of a state; None if there is no state.

        The first process calls it, wherever the others are: they give the leaves of `serve`.

        Raises:
            RankError: they cannot.
        """
        return leaves

    def serve(self, state: Callable[[], tuple[int, list[Tensor] | None]]) -> None:
        """Set the function that gives `gather` the step and the leaves of the state of this process."""

    def meet(self, value: Any) -> list[Any]:
        """The JSON values of all processes, by rank; each is waited for, however long it takes."""
        return [value]

    def broadcast(self, make: Callable[[], Value]) -> Value:
        """The JSON value that `make` returns in the first process, where alone it is called.

        An exception of it is raised by all.
        """
        return make()

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of the first process."""
        return tensors

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """An exception of any process in the block is raised by all, at its end."""
        yield

    def connect(self, device: torch.device, timeout_minutes: float = 10.0, compress: str = "none") -> None:
        """Connect the processes; `broadcast_tensors` and all that training needs work from here on.

        Args:
            device: the device that this process trains on.
            timeout_minutes: how long a process may keep the others waiting in training.
            compress: `"bfloat16"` sends gradients in half of the bytes; `"none"` as they are.
        """

    def leave(self, error: BaseException) -> None:
        """Report to the others that this process has failed; they raise RankError."""

    def close(self) -> None:
        """Wait until all processes are here, and give the first one what it gathers until then."""


ALONE = Ranks()


def block(count: int, rank: int, world: int) -> slice:
    """Block number `rank` of `count` rows that are cut into `world` blocks; sizes differ by one at most."""
    return slice(count * rank // world, count * (rank + 1) // world)
