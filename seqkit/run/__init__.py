"""Runs: they connect recipe, data, model and trainer."""

from seqkit.run.base import Run
from seqkit.run.opening import load
from seqkit.run.seeds import load_seeds, train_seeds
from seqkit.run.series import SeriesRun
from seqkit.run.text import TextRun
from seqkit.run.training import resume, train

__all__ = ["Run", "SeriesRun", "TextRun", "load", "load_seeds", "resume", "train", "train_seeds"]
