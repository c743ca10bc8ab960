"""Plans of a training, from a few steps: its time, its memory, and settings that do not suit the data."""

from seqkit.planning.figures import Plan
from seqkit.planning.measuring import plan

__all__ = ["Plan", "plan"]
