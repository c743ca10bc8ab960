"""A device that is not the CPU, on any machine: PyTorch's "meta", whose tensors have no numbers.

An operation on such tensors and others on the CPU fails, as it does on a GPU. Each read of a number from them
is counted, because on a GPU the program waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
CPU, GPU = torch.device("cpu"), torch.device("meta")

_READS_BOTH: Final = (aten._to_copy.default, aten.to.device, aten.copy_.default)
_INDEXES: Final = (aten.index.Tensor, aten.index_put_.default, aten._unsafe_index_put.default)
_WAITS: Final = (aten.nonzero.default, aten.masked_select.default, aten.equal.default)


class PretendGpu(TorchDispatchMode):
    """Inside, the device "meta" plays the part of a GPU.

    Attributes:
        reads: number of reads from the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if not any(tensor.is_meta for tensor in tensors):
            return func(*args, **kwargs)
        if func in (aten._local_scalar_dense.default, aten.item.default):
            self.reads += 1
            return {torch.bool: True, torch.int64: 1}.get(args[0].dtype, 0.5)
        if func.overloadpacket in (aten._to_copy, aten.to) and CPU in (*args, *kwargs.values()):
            self.reads += 1
            return torch.full(args[0].shape, 1, dtype=kwargs.get("dtype") or args[0].dtype)
        if func in _WAITS:
            raise AssertionError(f"{func} waits for the GPU")
        # A GPU also accepts single numbers and indices from the CPU.
        foreign = [tensor for tensor in tensors if not tensor.is_meta and tensor.ndim]
        if foreign and func not in _READS_BOTH and not (func in _INDEXES and args[0].is_meta):
            raise AssertionError(f"{func} reads tensors on two devices")
        return func(*args, **kwargs)


@contextmanager
def pretend_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendGpu]:
    """The mode; code that forks the random streams must name the devices."""

    @contextmanager
    def fork_rng(devices: Any = None, **_: Any) -> Iterator[None]:
        assert devices is not None, "without devices, it would begin to use every GPU of the machine"
        yield

    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    monkeypatch.setattr("seqkit.run.setup.choose_device", lambda name: GPU)
    monkeypatch.setattr("seqkit.run.opening.choose_device", lambda name: GPU)
    with PretendGpu() as mode:
        yield mode
