"""What a trained model is for: generating and scoring."""

from seqkit.inference.generate import generate, stream
from seqkit.inference.score import Score, score

__all__ = ["Score", "generate", "score", "stream"]
