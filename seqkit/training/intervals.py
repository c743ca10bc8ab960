"""How far the loss on a whole split can be trusted: what another text of the kind might give.

Losses depend on those before: a hard passage is hard for hundreds of positions. So they are not drawn
one by one, but in blocks of consecutive positions (the moving-block bootstrap).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqkit.training.bootstrap import block_bootstrap_mean

SLICE = 100
"""Positions of which only the mean is kept, so that a large split needs little memory."""
BLOCK = 1000
"""Positions a block. On Shakespeare the interval is twice as wide as with single positions."""


class LossSlices:
    """The mean losses of slices of consecutive positions, in the order of the text.

    Args:
        in_lanes: a row goes on in the same row of the next batch (state "carry"); else in the next row.
    """

    def __init__(self, in_lanes: bool) -> None:
        self._in_lanes = in_lanes
        self._means: list[NDArray[np.float32]] = []  # (rows, slices) of each batch
        self._positions = 0

    def add(self, losses: Tensor, counted: Tensor) -> None:
        """The next batch.

        Args:
            losses: `(batch, time)`.
            counted: `(batch, time)` bool: the positions that count; the loss of others is 0.
        """
        sums, sizes = (
            torch.stack([part.sum(1) for part in torch.split(whole, SLICE, 1)], 1)
            for whole in (losses, counted)
        )
        self._means.append((sums / sizes).float().cpu().numpy())  # not a number, where nothing counts
        self._positions += int(sizes.sum())

    def interval_95(self, loss: float) -> list[float] | None:
        """A 95 % interval of the mean loss; None where the text is shorter than ten slices.

        Args:
            loss: the mean over all positions, which the interval is put around: the last slice of a row
                may be shorter than the others.
        """
        if not math.isfinite(loss):
            return None
        rows = [np.concatenate(self._means, 1)] if self._in_lanes else self._means
        means = np.concatenate([row.ravel() for row in rows])
        values = means[~np.isnan(means)].astype(np.float64)
        if len(values) < 10:
            return None
        block = round(BLOCK * len(values) / self._positions)
        low, high = block_bootstrap_mean(values, min(max(block, 1), len(values) // 10))
        shift = loss - float(values.mean())
        return [low + shift, high + shift]
