"""What the trainer reads: a batch, and what a mean loss over text means in bits."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from seqkit.data.writing import TextCounts

UNKNOWN_CHARACTER_BITS = math.log2(0x110000)
"""What it costs to spell a character that the vocabulary lacks: any of all code points."""


class Batch(NamedTuple):
    """Sequences that are trained on together.

    A plain `(inputs, targets)` pair serves as well.
    """

    inputs: Tensor
    """`(batch, time)` ids or numbers, or `(batch, time, features)`."""
    targets: Tensor
    """`(batch, time, ...)`: what follows each input."""
    mask: Tensor | None = None
    """`(batch, time)` bool: the positions that count; None where all do."""
    reset: Tensor | None = None
    """`(batch, time)` bool: where a row starts anew before that step; None where none does."""


def text_metrics(loss_nats: float, counts: TextCounts) -> dict[str, float]:
    """The mean loss per token of a whole text, in the units that compare across tokenizers.

    A token that stands for unknown characters costs its own bits and log2(1,114,112) for each of them.
    """
    bits = loss_nats / math.log(2) * counts.tokens + UNKNOWN_CHARACTER_BITS * counts.unknown_characters
    return {
        "bits_per_char": bits / max(counts.characters, 1),
        "bits_per_byte": bits / max(counts.bytes, 1),
        "perplexity": math.exp(min(loss_nats, 700.0)),  # beyond it a float overflows
    }
