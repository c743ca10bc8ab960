"""Heads: they turn the output of a cell into a prediction, give its loss, and draw from it."""

from seqkit.heads.base import Head, full_precision
from seqkit.heads.categorical import CategoricalHead, check_sampling, penalize_repetition
from seqkit.heads.named import SERIES_HEADS, make_head
from seqkit.heads.series import GaussianHead, PointHead, QuantileHead, SeriesHead, StudentTHead

__all__ = [
    "SERIES_HEADS",
    "CategoricalHead",
    "GaussianHead",
    "Head",
    "PointHead",
    "QuantileHead",
    "SeriesHead",
    "StudentTHead",
    "check_sampling",
    "full_precision",
    "make_head",
    "penalize_repetition",
]
