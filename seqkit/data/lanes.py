"""Order, windows, batches. The order is a pure function of (seed, epoch, step); nothing is dropped.

`Windows`, for `state = "reset"`: the text is cut into windows; each starts from a zero state, and
their order is shuffled anew every epoch. The last one is padded and masked.

    text   |--w0--|--w1--|--w2--|--w3--|--w4--|-w5|..        batch 0: w4 w1, batch 1: w5 w0, ...

`Lanes`, for `state = "carry"`: the text is cut into as many lanes as a batch has rows; each batch is the
next window of every lane, so the state that a row ends with is where its next window goes on.

    lane 0 |--0--|--1--|--2--|-3-|
    lane 1 |--0--|--1--|--2--|-3-|        batch 0: all the 0s, batch 1: all the 1s, ...
    lane 2 |--0--|--1--|--2--|-3.|        what the last lane lacks is masked

Every position of the text is a target exactly once an epoch: the first one is read after `start_id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqkit.data.batches import Batch, text_metrics
from seqkit.data.writing import TextCounts
from seqkit.errors import SourceError


class Windows:
    """Windows of a text, each from a zero state.

    Args:
        ids: the whole split, 1-D.
        batch_size: windows a batch; the last batch of an epoch may have fewer.
        seq_len: positions a window.
        start_id: the token before the first one.
        end_id: a row starts anew at this token, the end of the document before; None where documents
            are joined.
        shuffle_seed: shuffles the windows anew each epoch; None keeps the order of the text.
        counts: what the ids stand for, for `metrics`.
    """

    def __init__(
        self,
        ids: NDArray[np.unsignedinteger[Any]],
        *,
        batch_size: int,
        seq_len: int,
        start_id: int,
        end_id: int | None = None,
        shuffle_seed: int | None = None,
        counts: TextCounts | None = None,
    ) -> None:
        self._ids = _nonempty(ids)
        self.batch_size, self.seq_len = batch_size, seq_len
        self.start_id, self.end_id = start_id, end_id
        self._shuffle_seed = shuffle_seed
        self._counts = counts
        self._count = -(-len(ids) // seq_len)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch."""
        order = np.arange(self._count, dtype=np.uint32)
        if self._shuffle_seed is not None:
            np.random.Generator(np.random.Philox(key=[self._shuffle_seed, epoch])).shuffle(order)
        self._order = order

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-self._count // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return (self.batch(step) for step in range(len(self)))

    def batch(self, step: int) -> Batch:
        """The batch at a step of this epoch."""
        chosen = self._order[step * self.batch_size : (step + 1) * self.batch_size]
        starts = chosen.astype(np.int64) * self.seq_len
        lengths = np.minimum(len(self._ids) - starts, self.seq_len)
        batch = _gather(self._ids, starts, lengths, self.seq_len, self.start_id)
        return batch._replace(reset=_resets(batch.inputs, self.end_id))

    def metrics(self, loss_nats: float) -> dict[str, float]:
        """The mean loss of an epoch in bits per character and byte."""
        return {} if self._counts is None else text_metrics(loss_nats, self._counts)


class Lanes:
    """Windows of as many lanes as a batch has rows, in order, for a state that is carried.

    Args:
        ids: the whole split, 1-D.
        lanes: rows of every batch; fewer where the text is shorter than a window a lane.
        seq_len: positions a window; the last window of an epoch may be shorter.
        start_id: the token before the first one.
        end_id: a row starts anew at this token, the end of the document before; None where documents
            are joined.
        counts: what the ids stand for, for `metrics`.
    """

    def __init__(
        self,
        ids: NDArray[np.unsignedinteger[Any]],
        *,
        lanes: int,
        seq_len: int,
        start_id: int,
        end_id: int | None = None,
        counts: TextCounts | None = None,
    ) -> None:
        self._ids = _nonempty(ids)
        self.lanes = min(lanes, max(1, len(ids) // seq_len))
        self.seq_len, self.start_id, self.end_id = seq_len, start_id, end_id
        self._counts = counts
        self._lane_length = -(-len(ids) // self.lanes)
        self._lane_starts = np.arange(self.lanes, dtype=np.int64) * self._lane_length

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-self._lane_length // self.seq_len)

    def __iter__(self) -> Iterator[Batch]:
        return (self.batch(step) for step in range(len(self)))

    def batch(self, step: int) -> Batch:
        """The batch at a step of any epoch; the first one resets every row."""
        start = step * self.seq_len
        time = min(self.seq_len, self._lane_length - start)
        starts = self._lane_starts + start
        lengths = np.clip(len(self._ids) - starts, 0, time)
        batch = _gather(self._ids, starts, lengths, time, self.start_id)
        reset = _resets(batch.inputs, self.end_id)
        if step == 0:
            reset = torch.zeros(self.lanes, time, dtype=torch.bool) if reset is None else reset
            reset[:, 0] = True
        return batch._replace(reset=reset)

    def metrics(self, loss_nats: float) -> dict[str, float]:
        """The mean loss of an epoch in bits per character and byte."""
        return {} if self._counts is None else text_metrics(loss_nats, self._counts)


def _resets(inputs: torch.Tensor, end_id: int | None) -> torch.Tensor | None:
    """Where a row starts anew: it reads the end of the document before, as every document is read."""
    if end_id is None:
        return None
    reset = inputs == end_id
    return reset if reset.any() else None


def _nonempty(ids: NDArray[Any]) -> NDArray[Any]:
    if not len(ids):
        raise SourceError("the split has no text.")
    return ids


def _gather(
    ids: NDArray[Any], starts: NDArray[np.int64], lengths: NDArray[np.int64], time: int, start_id: int
) -> Batch:
    """The rows `ids[start - 1 : start + time]`, as inputs and, one further, targets.

    They are gathered as `(time, batch)`, the layout of the engine, and returned as a transposed view.
    """
    offsets = np.arange(-1, time, dtype=np.int64)
    positions = starts + offsets[:, None]  # (T + 1, B)
    stream = ids.take(positions, mode="clip").astype(np.int64)
    stream[positions < 0] = start_id
    counted = offsets[1:, None] < lengths  # (T, B)
    tokens = torch.from_numpy(stream)
    if counted.all():
        return Batch(tokens[:-1].t(), tokens[1:].t())
    return Batch(tokens[:-1].t(), tokens[1:].t(), torch.from_numpy(counted).t())
