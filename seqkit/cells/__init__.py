"""Recurrent cells: the contract, the RNN written from scratch, and stacked cells."""

from seqkit.cells.base import Cell, State
from seqkit.cells.rnn import RNN
from seqkit.cells.stacked import Stacked

__all__ = ["RNN", "Cell", "Stacked", "State"]
