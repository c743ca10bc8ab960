"""What a training will take, from a few steps of it: time, memory, and what does not fit the data."""

from seqkit.planning.figures import Plan
from seqkit.planning.measuring import plan

__all__ = ["Plan", "plan"]
