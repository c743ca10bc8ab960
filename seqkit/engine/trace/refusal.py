"""Why a step cannot be split: the reason, and the line of it."""

from __future__ import annotations

from torch import nn

from seqkit.errors import SplitError


class RefusedError(Exception):
    """A step, or its graph, does something that cannot be split.

    Args:
        reason: a clause that follows "the step of NAME cannot be split".
        place: the line of the step, as `lines.py` writes it; empty if there is none.
    """

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.reason, self.place = reason, place


def refusal(cell: nn.Module, reason: str, place: str = "") -> SplitError:
    """The error for the user."""
    return SplitError(f"the step of {type(cell).__name__} cannot be split: {reason.rstrip('.')}.{place}")
