"""What a trained model is for: generating and scoring."""

from seqkit.inference.copies import Copies, count_copies
from seqkit.inference.generate import generate, stream
from seqkit.inference.score import Score, score

__all__ = ["Copies", "Score", "count_copies", "generate", "score", "stream"]
