"""Heads by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from torch import nn

from seqkit.errors import ContractError, UnknownNameError
from seqkit.heads.base import Head
from seqkit.heads.categorical import CategoricalHead
from seqkit.heads.series import GaussianHead, PointHead, QuantileHead, SeriesHead, StudentTHead


def linear_head(input_size: int, output_size: int) -> Head:
    """Logits from a linear layer."""
    return CategoricalHead(nn.Linear(input_size, output_size), output_size)


def no_head(input_size: int, output_size: int) -> Head:
    """Use the cell's own output as the logits.

    Raises:
        ContractError: the cell's output has another size.
    """
    if input_size != output_size:
        raise ContractError(
            f"head 'none' takes the cell's output as the prediction, so it must have {output_size} features; "
            f"it has {input_size}.\n  Give the cell output_size={output_size}, or use head 'linear'."
        )
    head = CategoricalHead(nn.Identity(), output_size)
    head.passes_on = True
    return head


HEADS: Final[dict[str, Callable[[int, int], Head]]] = {"linear": linear_head, "none": no_head}
"""Functions that make a head for the size of the cell's output and the size of the vocabulary."""
SERIES_HEADS: Final[dict[str, Callable[[int], SeriesHead]]] = {
    "point": PointHead,
    "gaussian": GaussianHead,
    "student_t": StudentTHead,
    "quantile": QuantileHead,
}
"""Classes of heads for the size of the cell's output; they know the size of their own prediction."""


def make_head(head: str | Head, input_size: int, output_size: int) -> Head:
    """The head of that name, for a cell whose output has `input_size` features; a Head is returned as is."""
    if isinstance(head, Head):
        return head
    if head in SERIES_HEADS:
        return SERIES_HEADS[head](input_size)
    if head not in HEADS:
        raise UnknownNameError("head", head, [*HEADS, *SERIES_HEADS])
    return HEADS[head](input_size, output_size)
