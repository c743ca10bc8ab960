"""The hyperbolic tangent, for SIMD kernels.

The library that PyTorch calls for eight or sixteen numbers at once takes five times as long for `tanh` as
for `exp`; in a small recurrent network that is most of a step, apart from its products.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

_NEAR_ZERO: Final = 0.625
_SERIES: Final = (-0.00570499, 0.02063909, -0.05373971, 0.13331442, -0.33333282)
"""Coefficients of (tanh(x) / x - 1) / x^2 in powers of x^2, highest first: near zero, tanh(x) / x is within
1e-8."""


def fast_tanh(x: Tensor) -> Any:
    """`torch.tanh` within 2 units in the last place, for float32 on a CPU; NotImplemented for other tensors.

    Near zero a polynomial, elsewhere 1 - 2 / (exp(2|x|) + 1) with the sign of x, as in S. L. Moshier's Cephes
    library (netlib.org/cephes); the coefficients are fitted for this file.
    """
    if x.dtype != torch.float32 or x.device.type != "cpu":
        return NotImplemented
    square = x * x
    series = square * _SERIES[0] + _SERIES[1]
    for coefficient in _SERIES[2:]:
        series = series * square + coefficient
    size = x.abs()
    far = 1 - 2 / ((size + size).exp() + 1)
    return torch.where(size < _NEAR_ZERO, x + x * square * series, torch.where(x < 0, -far, far))
