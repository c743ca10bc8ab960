"""The published cells by name, each made once in float64 for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import torch

from seqkit import Cell
from tests.engine.published import attention, gated, linear, memory, residual, xlstm

INPUT_SIZE: Final = 5
HIDDEN_SIZE: Final = 8

CELLS: Final[dict[str, type[Cell]]] = {
    "skip-rnn": gated.SkipRNN,
    "on-lstm": gated.OrderedNeurons,
    "phased-lstm": gated.PhasedLSTM,
    "recurrent-highway": gated.RecurrentHighway,
    "clockwork-rnn": gated.ClockworkRNN,
    "twice-gru": gated.TwiceGRU,
    "weight-dropped-lstm": gated.WeightDroppedLSTM,
    "slstm": xlstm.SLSTM,
    "mlstm": xlstm.MLSTM,
    "slstm-block": xlstm.SLSTMBlock,
    "lru": linear.LRU,
    "complex-lru": linear.ComplexLRU,
    "s4d": linear.S4D,
    "lmu": linear.LMU,
    "mamba": linear.Mamba,
    "griffin": linear.Griffin,
    "rwkv": memory.RWKV,
    "deltanet": memory.DeltaNet,
    "holographic": memory.Holographic,
    "fast-weights": memory.FastWeights,
    "turing-machine": memory.TuringMachine,
    "sliding-window": attention.SlidingWindow,
    "ring-buffer": attention.RingBuffer,
    "rezero": residual.ReZero,
    "convolutional-gru": residual.ConvolutionalGRU,
    "two-norms": residual.TwoNorms,
    "cfc": residual.ClosedFormContinuous,
}

COMPLEX: Final = frozenset({"lru", "complex-lru", "s4d", "holographic"})
"""The cells that compute with complex numbers, for which there are no compiled kernels."""


@contextmanager
def double_precision() -> Iterator[None]:
    """Inside, new tensors are float64 or complex128; `Cell.double()` leaves complex parameters single."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@cache
def cell_of(name: str) -> Cell:
    """The cell of this name, the same object for every test of a process."""
    with double_precision(), torch.random.fork_rng():
        torch.manual_seed(list(CELLS).index(name))
        return CELLS[name](INPUT_SIZE, HIDDEN_SIZE)  # type: ignore[call-arg]  # cells name their sizes differently


@contextmanager
def moved(cell: Cell, scale: float) -> Iterator[None]:
    """Inside, every parameter has noise added in place; afterwards the values are restored."""
    generator = torch.Generator().manual_seed(0)
    before = [parameter.detach().clone() for parameter in cell.parameters()]
    with torch.no_grad():
        for parameter in cell.parameters():
            noise = torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)
            parameter.add_(scale * noise)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(cell.parameters(), before, strict=True):
                parameter.copy_(value)
