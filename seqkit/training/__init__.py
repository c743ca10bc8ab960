"""Training: the loop, its budget, optimizers and schedules, checkpoints."""

from seqkit.training.history import History
from seqkit.training.optim import make_optimizer, make_schedule
from seqkit.training.trainer import Trainer

__all__ = ["History", "Trainer", "make_optimizer", "make_schedule"]
