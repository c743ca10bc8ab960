"""Recurrent cells: the contract, the scratch RNN, and cells on top of each other."""

from seqkit.cells.base import Cell, State
from seqkit.cells.rnn import RNN
from seqkit.cells.stacked import Stacked

__all__ = ["RNN", "Cell", "Stacked", "State"]
