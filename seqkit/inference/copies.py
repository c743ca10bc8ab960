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
    """The others that were finished."""
    cut: int = 0
    """Those that the model had not ended after `max_tokens`: they are neither new nor copies."""

    def __str__(self) -> str:
        cut = f"; {self.cut:,} more were cut before their end" if self.cut else ""
        return (
            f"of {self.generated - self.cut:,} generated documents {self.distinct:,} are distinct, "
            f"{self.new:,} new and {self.copies:,} copies of training documents{cut}"
        )


def count_copies(generated: Sequence[str], training: Iterable[str], cut: int = 0) -> Copies:
    """Compare generated documents with those of the training split, which may be too many for memory.

    Args:
        generated: those that were finished.
        training: documents of the training split.
        cut: how many more were not.
    """
    distinct = set(generated)
    known = {document for document in training if document in distinct}
    copies = sum(text in known for text in generated)
    return Copies(len(generated) + cut, len(distinct), copies, len(generated) - copies, cut)
