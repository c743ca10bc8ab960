"""Rows of prices in the order in which batches read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from seqkit.data.batches import Batch
from seqkit.data.lanes import mask_beyond


@dataclass(frozen=True)
class RowStream:
    """Scaled rows, symbol by symbol."""

    inputs: NDArray[np.float32]
    """Model inputs, `(rows, features)`."""
    targets: NDArray[np.float32]
    """Target of each row: the value of the row after it, `(rows,)`."""
    reset: NDArray[np.bool_]
    """Whether a symbol begins at each row, `(rows,)`."""

    def __len__(self) -> int:
        return len(self.targets)

    def read(self, starts: NDArray[np.int64], lengths: NDArray[np.int64], time: int) -> Batch:
        """Rows of `time` positions from each start, gathered as `(time, batch)`."""
        positions = starts + np.arange(time, dtype=np.int64)[:, None]  # (T, B)
        inputs, targets, reset = (
            torch.from_numpy(values.take(positions, 0, mode="clip"))
            for values in (self.inputs, self.targets, self.reset)
        )
        beyond = mask_beyond(lengths, time)
        return Batch(inputs.transpose(0, 1), targets.t(), beyond, reset.t() if reset.any() else None)

    def metrics(self, loss: float) -> dict[str, float]:
        """No further units: the report gives the loss in terms of returns."""
        return {}
