"""An interval for the loss on a whole split: the range for another text of the same kind.

Neighbouring losses depend on each other: a hard passage is hard for hundreds of positions. So the text is
cut into blocks of consecutive positions, long enough for their means to be nearly independent. The spread
of those means gives the interval (the method of batch means).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SLICE: Final = 100
"""Positions per slice; only the sum of a slice is kept, so that a large split needs little memory."""
BLOCK: Final = 1000
"""Positions per block, at least."""
FEWEST_BLOCKS: Final = 5
"""With fewer blocks, the spread of their means is too uncertain."""
MOST_BLOCKS: Final = 40
"""More blocks would hardly narrow the interval, and longer blocks depend less on each other."""

FEWEST_POSITIONS: Final = BLOCK * FEWEST_BLOCKS
"""Positions of a text that has an interval, at least."""


class LossSlices:
    """Sums of the losses of slices of consecutive positions, in the order of the text.

    Args:
        in_lanes: a row continues in the same row of the next batch (state "carry"); else in the next row.
    """

    def __init__(self, in_lanes: bool) -> None:
        self._in_lanes = in_lanes
        self._sums: list[NDArray[np.float64]] = []  # (rows, slices) of each batch
        self._sizes: list[NDArray[np.int64]] = []

    def add(self, losses: Tensor, counted: Tensor) -> None:
        """Add the next batch.

        Args:
            losses: `(batch, time)`.
            counted: `(batch, time)` bool: the positions that count; the loss of others is 0.
        """
        for whole, kept in ((losses.cpu().double(), self._sums), (counted.cpu().long(), self._sizes)):
            kept.append(torch.stack([part.sum(1) for part in torch.split(whole, SLICE, 1)], 1).numpy())

    def interval_95(self) -> list[float] | None:
        """The 95 % interval around the mean loss; None below 5,000 positions, or if it is not finite."""
        sums, sizes = self._in_order(self._sums), self._in_order(self._sizes)
        positions = int(sizes.sum())
        mean = float(sums.sum()) / max(positions, 1)
        if positions < FEWEST_POSITIONS or not math.isfinite(mean):
            return None
        blocks = min(positions // BLOCK, MOST_BLOCKS)
        block_of = ((sizes.cumsum() - 0.5 * sizes) * blocks / positions).astype(int).clip(max=blocks - 1)
        # The difference of each block's sum from the mean loss times its number of positions.
        excess = np.bincount(block_of, sums - mean * sizes, blocks)
        error = math.sqrt(blocks / (blocks - 1) * float((excess**2).sum())) / positions
        half = t_95(blocks - 1) * error
        return [mean - half, mean + half]

    def _in_order(self, parts: list[NDArray[np.float64]] | list[NDArray[np.int64]]) -> NDArray[np.float64]:
        rows = [np.concatenate(parts, 1)] if self._in_lanes and parts else parts
        return np.concatenate([row.ravel() for row in rows]) if rows else np.zeros(0)


def t_95(freedom: int) -> float:
    """The two-sided 95 % point of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
