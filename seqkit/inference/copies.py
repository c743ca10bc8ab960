"""How much of what a model writes is new: whole documents beside those that it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Copies:
    """Counts of generated documents."""

    generated: int
    distinct: int
    """Different ones."""
    copies: int
    """Generated documents that stand in the training split word for word, repeated ones counted."""
    new: int
    """The others."""

    def __str__(self) -> str:
        return (
            f"of {self.generated:,} generated documents {self.distinct:,} are distinct, {self.new:,} new "
            f"and {self.copies:,} copies of training documents"
        )


def count_copies(generated: Sequence[str], training: Iterable[str]) -> Copies:
    """Compare generated documents with those of the training split, which may be too many for memory."""
    distinct = set(generated)
    known = {document for document in training if document in distinct}
    copies = sum(text in known for text in generated)
    return Copies(len(generated), len(distinct), copies, len(generated) - copies)
