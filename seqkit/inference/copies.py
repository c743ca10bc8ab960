"""Compare generated documents with training documents, to see how many are new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Copies:
    """Counts of generated documents."""

    generated: int
    distinct: int
    """Number of different documents."""
    copies: int
    """Generated documents that are identical to a training document, including repeated ones."""
    new: int
    """The other finished documents."""
    cut: int = 0
    """Documents that the model had not ended after `max_tokens`; they are neither new nor copies."""

    def __str__(self) -> str:
        cut = f"; {self.cut:,} more were cut off before their end" if self.cut else ""
        return (
            f"of {self.generated - self.cut:,} generated documents {self.distinct:,} are distinct, "
            f"{self.new:,} new and {self.copies:,} copies of training documents{cut}"
        )


def count_copies(generated: Sequence[str], training: Iterable[str], cut: int = 0) -> Copies:
    """Compare generated documents with those of the training split, which need not fit in memory.

    Args:
        generated: the finished generated documents.
        training: documents of the training split.
        cut: number of unfinished generated documents.
    """
    distinct = set(generated)
    known = {document for document in training if document in distinct}
    copies = sum(text in known for text in generated)
    return Copies(len(generated) + cut, len(distinct), copies, len(generated) - copies, cut)
