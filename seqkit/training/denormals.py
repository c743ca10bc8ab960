"""Denormal numbers are flushed to zero while training.

With the loss at the end of a sequence, the gradient of a cell that forgets decays to denormal numbers, and a
processor takes up to a hundred times as long for each. `torch.set_flush_denormal` sets the calling thread
only. OpenMP's threads, which do the work, are given its floating-point environment.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_ENVIRONMENT_BYTES = 256  # of `fenv_t`: 28 on x86-64, 8 on ARM


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """Flush denormal numbers to zero in every computing thread; the mode is restored afterwards."""
    before = _is_flushing()
    _flush(True)
    try:
        yield
    finally:
        _flush(before)


def _is_flushing() -> bool:
    smallest_normal = torch.finfo(torch.float32).tiny
    return not (torch.full((1,), smallest_normal) * 0.5).item()


def _flush(on: bool) -> None:
    if not torch.set_flush_denormal(on):
        return  # the processor does not support it
    openmp = _gnu_openmp()
    if openmp is None:
        return  # another OpenMP library: its threads keep their mode
    environment = (ctypes.c_char * _ENVIRONMENT_BYTES)()
    libc = ctypes.CDLL("libm.so.6")
    libc.fegetenv(environment)
    # A parallel region of as many threads as PyTorch uses, in which each calls fesetenv(environment).
    openmp.GOMP_parallel(ctypes.cast(libc.fesetenv, ctypes.c_void_p), environment, 0, 0)


def _gnu_openmp() -> ctypes.CDLL | None:
    """The OpenMP library whose threads PyTorch uses, if it is GNU's."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    paths = {line.split()[-1] for line in maps.read_text().splitlines() if "libgomp" in line}
    return ctypes.CDLL(paths.pop()) if len(paths) == 1 else None
