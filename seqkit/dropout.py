"""Dropout with a quarter of the random numbers, from a faster generator."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

_LEVELS: Final = 1 << 16


class Dropout(nn.Dropout):
    """Like `torch.nn.Dropout`, with `p` rounded to a multiple of 1/65536 on the CPU.

    On the CPU, one core draws the random numbers one after the other, and `torch.nn.Dropout` draws one for
    each element: at 64 x 64 x 256 that is a tenth of a training step. Here each number gives four draws of
    16 bits. The numbers are NumPy's, which take half as long, from a seed drawn from PyTorch's generator.

    Example:
        >>> dropped = Dropout(0.25)(torch.ones(1000))
        >>> sorted(set(dropped.tolist())) == [0.0, 1.3333333730697632]
        True
    """

    def forward(self, x: Tensor) -> Tensor:
        """Zero elements and scale the others by 1 / (1 - p); in evaluation, return the input."""
        cut = round(self.p * _LEVELS)
        is_plain = not self.inplace and not torch.compiler.is_compiling() and type(x) is Tensor
        if not self.training or x.device.type != "cpu" or cut in (0, _LEVELS) or not is_plain:
            return super().forward(x)
        seed = int(torch.empty((), dtype=torch.int64).random_())
        bits = torch.from_numpy(np.random.SFC64(seed).random_raw((x.numel() + 3) // 4).view(np.int16))
        # With the strides of the input, so that both are read in memory order.
        kept = torch.empty_like(x)
        draws = bits.as_strided(x.shape, kept.stride())
        torch.ge(draws, cut - _LEVELS // 2, out=kept)
        return x * kept.mul_(_LEVELS / (_LEVELS - cut))
