"""Batches for the trainer, and the mean loss over a text in bits."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from seqkit.data.writing import TextCounts

UNKNOWN_CHARACTER_BITS = math.log2(0x110000)
"""Bits to spell a character that is not in the vocabulary: one of all code points."""


class Batch(NamedTuple):
    """Sequences that are trained on together.

    A plain `(inputs, targets)` pair is also accepted.
    """

    inputs: Tensor
    """`(batch, time)` ids or numbers, or `(batch, time, features)`."""
    targets: Tensor
    """`(batch, time, ...)`: what follows each input."""
    mask: Tensor | None = None
    """`(batch, time)` bool: the positions that count; None if all do."""
    reset: Tensor | None = None
    """`(batch, time)` bool: where a row is reset before that step; None if no row is."""


def text_metrics(loss_nats: float, counts: TextCounts) -> dict[str, float]:
    """Convert the mean loss per token of a whole text to units that are comparable across tokenizers.

    A token for unknown characters costs its own bits, plus log2(1,114,112) bits for each of them.
    """
    bits = loss_nats / math.log(2) * counts.tokens + UNKNOWN_CHARACTER_BITS * counts.unknown_characters
    return {
        "bits_per_char": bits / max(counts.characters, 1),
        "bits_per_byte": bits / max(counts.bytes, 1),
        "perplexity": math.exp(min(loss_nats, 700.0)),  # beyond it a float overflows
    }
