"""Use a trained model: generate text, score text, and inspect the model's states."""

from seqkit.inference.copies import Copies, count_copies
from seqkit.inference.generate import TextStream, generate, stream
from seqkit.inference.novelty import CopiedSpan, Novelty, measure_novelty
from seqkit.inference.score import Score, ScoredBlock, score, score_blocks
from seqkit.inference.states import States, read_states

__all__ = [
    "CopiedSpan",
    "Copies",
    "Novelty",
    "Score",
    "ScoredBlock",
    "States",
    "TextStream",
    "count_copies",
    "generate",
    "measure_novelty",
    "read_states",
    "score",
    "score_blocks",
    "stream",
]
