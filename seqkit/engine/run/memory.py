"""Memory of the loops, reused by the next unroll.

A freed array of many megabytes is returned to the system, which maps new memory page by page and fills it
with zeros: at 64 x 100 x 512 that took a quarter of the time of an LSTM. The pool keeps such arrays, and
reuses one as soon as no other tensor refers to it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor

_MIN_BYTES: Final = 1 << 20
_KEPT_TURNS: Final = 4


logger = logging.getLogger(__name__)


@dataclass
class _Block:
    memory: Tensor
    last_turn: int

    def is_free(self) -> bool:
        """Whether no other tensor refers to the memory: no output, no gradient, no saved value."""
        return _uses(self.memory) == 2  # this block's tensor, and the storage that is counted


def _uses(tensor: Tensor) -> int:
    """The reference count of a tensor's memory; PyTorch has no public function for it."""
    storage = tensor.untyped_storage()
    count: int = torch._C._storage_Use_Count(storage._cdata)
    return count


@cache
def _uses_are_known() -> bool:
    """Whether the reference count works as expected here; if not, no memory is reused."""
    tensor = torch.empty(4)
    try:
        alone = _uses(tensor)
        view = tensor[:2]
        known = (alone, _uses(tensor), _uses(view)) == (2, 3, 3)
    except (AttributeError, RuntimeError, TypeError):
        known = False
    if not known:
        logger.warning(
            "PyTorch %s counts the references to memory differently from 2.13: the loops allocate new memory "
            "each time, which is slower",
            torch.__version__,
        )
    return known


class Pool:
    """Large arrays for reuse; an array that was not used for a few unrolls is freed."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._turn = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Call this at the start of an unroll."""
        with self._lock:
            self._turn += 1
            oldest = self._turn - _KEPT_TURNS
            self._blocks = [
                block for block in self._blocks if block.last_turn >= oldest or not block.is_free()
            ]

    def empty(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """An uninitialised tensor, contiguous."""
        size = math.prod(shape)
        if device.type != "cpu" or size * dtype.itemsize < _MIN_BYTES or not _uses_are_known():
            return torch.empty(tuple(shape), dtype=dtype, device=device)
        with self._lock:
            for block in self._blocks:
                if block.memory.numel() == size and block.memory.dtype == dtype and block.is_free():
                    break
            else:
                with torch.inference_mode(False):  # an inference tensor could not be used in training
                    memory = torch.empty(size, dtype=dtype, device=device)
                block = _Block(memory, self._turn)
                self._blocks.append(block)
            block.last_turn = self._turn
            return block.memory.view(tuple(shape))
