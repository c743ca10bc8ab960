"""Order, windows, batches. The order is a pure function of (seed, epoch, step); nothing is dropped.

`Windows`, for `state = "reset"`: the text is cut into windows; each starts from a zero state, and
their order is shuffled again every epoch. The last one is padded and masked.

    text   |--w0--|--w1--|--w2--|--w3--|--w4--|-w5|..        batch 0: w4 w1, batch 1: w5 w0, ...

`Lanes`, for `state = "carry"`: the text is cut into one lane per row of a batch. Each batch is the
next window of every lane, so the next window of a row continues from the state that the row ended with.

    lane 0 |--0--|--1--|--2--|-3-|
    lane 1 |--0--|--1--|--2--|-3-|        batch 0: all 0s, batch 1: all 1s, ...
    lane 2 |--0--|--1--|--2--|-3.|        the missing end of the last lane is masked

Every position is a target exactly once per epoch. The stream defines the positions: tokens of a text
(`TokenStream`), or rows of prices (`RowStream`).

Both are the same for any number of processes that train together: each reads some rows of every batch,
`share`, and may have one more than another, or none.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from seqkit.data.batches import Batch, text_metrics
from seqkit.data.writing import TextCounts
from seqkit.errors import SourceError


class Stream(Protocol):
    """Positions in order, read as rows of a batch."""

    def __len__(self) -> int:
        """Number of positions."""

    def read(self, starts: NDArray[np.int64], lengths: NDArray[np.int64], time: int) -> Batch:
        """Rows of `time` positions from each start; positions beyond a row's length are masked."""

    def metrics(self, loss: float) -> dict[str, float]:
        """Convert the mean loss of the whole stream to further units."""


class Sharing(Protocol):
    """Cuts rows into the blocks of several processes; see `Ranks`."""

    def share(self, count: int) -> slice:
        """The block of this process."""


class TokenStream:
    """A tokenised text: each position predicts its token from the one before.

    Args:
        ids: the whole split, 1-D.
        start_id: the token before the first one.
        end_id: a row is reset at this token, the end of the document before it; None if documents
            are joined.
        counts: the amount of text that the ids represent, for `metrics`.
    """

    def __init__(
        self,
        ids: NDArray[np.unsignedinteger[Any]],
        *,
        start_id: int,
        end_id: int | None = None,
        counts: TextCounts | None = None,
    ) -> None:
        if not len(ids):
            raise SourceError("the split has no text.")
        self._ids, self._start_id, self._end_id, self._counts = ids, start_id, end_id, counts

    def __len__(self) -> int:
        return len(self._ids)

    def read(self, starts: NDArray[np.int64], lengths: NDArray[np.int64], time: int) -> Batch:
        """The rows `ids[start - 1 : start + time]`, as inputs and, shifted by one, targets.

        They are gathered as `(time, batch)`, the layout of the engine, and returned as a transposed view.
        """
        offsets = np.arange(-1, time, dtype=np.int64)
        positions = starts + offsets[:, None]  # (T + 1, B)
        stream = self._ids.take(positions, mode="clip").astype(np.int64)
        stream[positions < 0] = self._start_id
        tokens = torch.from_numpy(stream)
        inputs = tokens[:-1].t()
        return Batch(inputs, tokens[1:].t(), mask_beyond(lengths, time), self._resets(inputs))

    def metrics(self, loss: float) -> dict[str, float]:
        """Convert the mean loss from nats to bits per character and per byte."""
        return {} if self._counts is None else text_metrics(loss, self._counts)

    def _resets(self, inputs: torch.Tensor) -> torch.Tensor | None:
        """The positions where a row reads the end of a document, which comes before the next one."""
        if self._end_id is None:
            return None
        reset = inputs == self._end_id
        return reset if reset.any() else None


def mask_beyond(lengths: NDArray[np.int64], time: int) -> torch.Tensor | None:
    """The positions within each row's length, `(batch, time)`; None if all of them are."""
    counted = np.arange(time)[:, None] < lengths  # (T, B)
    return None if counted.all() else torch.from_numpy(counted).t()


class Windows:
    """Windows of a stream, each from a zero state.

    Args:
        stream: the whole split.
        batch_size: windows per batch; the last batch of an epoch may have fewer.
        seq_len: positions per window.
        shuffle_seed: seed that shuffles the windows every epoch; None keeps the order of the stream.
    """

    def __init__(
        self, stream: Stream, *, batch_size: int, seq_len: int, shuffle_seed: int | None = None
    ) -> None:
        self._stream = stream
        self.batch_size, self.seq_len = batch_size, seq_len
        self._shuffle_seed = shuffle_seed
        self._count = -(-len(stream) // seq_len)
        self._sharing: Sharing | None = None
        self.set_epoch(0)

    def share(self, sharing: Sharing) -> Self:
        """The same batches, with the rows of this process only."""
        shared = copy.copy(self)
        shared._sharing = sharing
        return shared

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch."""
        order = np.arange(self._count, dtype=np.uint32)
        if self._shuffle_seed is not None:
            np.random.Generator(np.random.Philox(key=[self._shuffle_seed, epoch])).shuffle(order)
        self._order = order

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-self._count // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return (self.batch(step) for step in range(len(self)))

    def batch(self, step: int) -> Batch:
        """The batch at a step of this epoch."""
        chosen = self._order[step * self.batch_size : (step + 1) * self.batch_size]
        if self._sharing is not None:
            chosen = chosen[self._sharing.share(len(chosen))]
        starts = chosen.astype(np.int64) * self.seq_len
        lengths = np.minimum(len(self._stream) - starts, self.seq_len)
        return self._stream.read(starts, lengths, self.seq_len)

    def metrics(self, loss: float) -> dict[str, float]:
        """Convert the mean loss of an epoch to further units."""
        return self._stream.metrics(loss)


class Lanes:
    """Consecutive windows of several lanes, one lane per row of a batch, for a state that is carried.

    Args:
        stream: the whole split.
        lanes: rows of every batch; fewer if the stream is shorter than one window per lane.
        seq_len: positions per window; the last window of an epoch may be shorter.
    """

    def __init__(self, stream: Stream, *, lanes: int, seq_len: int) -> None:
        self._stream = stream
        self.lanes = min(lanes, max(1, len(stream) // seq_len))
        self.seq_len = seq_len
        self._lane_length = -(-len(stream) // self.lanes)
        self._lane_starts = np.arange(self.lanes, dtype=np.int64) * self._lane_length

    def share(self, sharing: Sharing) -> Self:
        """The same batches, with the lanes of this process only; `lanes` is the number of all."""
        shared = copy.copy(self)
        shared._lane_starts = self._lane_starts[sharing.share(self.lanes)]
        return shared

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-self._lane_length // self.seq_len)

    def __iter__(self) -> Iterator[Batch]:
        return (self.batch(step) for step in range(len(self)))

    def batch(self, step: int) -> Batch:
        """The batch at a step of any epoch; the first one resets every row."""
        start = step * self.seq_len
        time = min(self.seq_len, self._lane_length - start)
        starts = self._lane_starts + start
        batch = self._stream.read(starts, np.clip(len(self._stream) - starts, 0, time), time)
        reset = batch.reset
        if step == 0:
            reset = torch.zeros(len(starts), time, dtype=torch.bool) if reset is None else reset.clone()
            reset[:, 0] = True
        return batch._replace(reset=reset)

    def metrics(self, loss: float) -> dict[str, float]:
        """Convert the mean loss of an epoch to further units."""
        return self._stream.metrics(loss)
