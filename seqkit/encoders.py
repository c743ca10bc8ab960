"""Encoders: they turn the inputs of a batch into the features that a cell reads at each step."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from seqkit.errors import ContractError, UnknownNameError

ENCODERS = ("one_hot", "embedding", "raw")


class Encoder(nn.Module, ABC):
    """The first part of a model. `output_size` is the number of features that the cell reads.

    Each position is encoded on its own: other positions and other rows have no effect on it.
    """

    output_size: int

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """`(batch, time)` ids or numbers, or `(batch, time, features)`, to `(batch, time, output_size)`.

        Ids that are returned unchanged represent their one-hot rows.
        """


class OneHot(Encoder):
    """Passes ids through: `unroll` gives each step the one-hot row of its id.

    Args:
        input_size: number of different ids.
    """

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = input_size

    def forward(self, ids: Tensor) -> Tensor:
        """The ids, `(batch, time)`."""
        return ids


class Embedding(nn.Embedding, Encoder):
    """A trained vector for each id, in the time-major layout that the engine reads."""

    @property
    def output_size(self) -> int:  # type: ignore[override]  # nn.Embedding knows it
        """Number of features of a vector."""
        return self.embedding_dim

    def forward(self, ids: Tensor) -> Tensor:
        """`(batch, time)` to `(batch, time, features)`."""
        return super().forward(ids.transpose(0, 1)).transpose(0, 1)


class Raw(Encoder):
    """The number itself; `(batch, time)` becomes one float feature.

    Args:
        input_size: features of each row of numbers.
    """

    like: Tensor

    def __init__(self, input_size: int = 1) -> None:
        super().__init__()
        self.output_size = input_size
        self.register_buffer("like", torch.empty(0), persistent=False)  # follows `model.double()`

    def forward(self, numbers: Tensor) -> Tensor:
        """`(batch, time)` or `(batch, time, features)` to floats `(batch, time, features)`."""
        x = numbers if numbers.is_floating_point() else numbers.to(self.like.dtype)
        return x[..., None] if x.ndim == 2 else x


def embedding(input_size: int, size: int) -> Embedding:
    """An embedding with vectors of this size, as a recipe declares it."""
    return Embedding(input_size, size)


def make_encoder(encoder: str | nn.Module, vocab_size: int | None, input_size: int) -> nn.Module:
    """The encoder of that name for a cell that takes `input_size` features; a module is returned unchanged.

    Raises:
        ContractError: its output does not fit this cell.
        UnknownNameError: there is no such encoder.
    """
    if isinstance(encoder, nn.Module):
        if isinstance(encoder, Encoder) and encoder.output_size != input_size:
            raise ContractError(
                f"the encoder {type(encoder).__name__} gives {encoder.output_size} features; the cell takes "
                f"{input_size}."
            )
        return encoder
    if encoder == "one_hot":
        if vocab_size != input_size:
            raise ContractError(
                f"encoder 'one_hot' gives {vocab_size} features, one per id; the cell takes {input_size}.\n"
                f"  Give the cell input_size={vocab_size}, or use encoder 'embedding'."
            )
        return OneHot(input_size)
    if encoder == "embedding":
        if vocab_size is None:
            raise ContractError("encoder 'embedding' needs vocab_size.")
        return Embedding(vocab_size, input_size)
    if encoder == "raw":
        return Raw(input_size)
    raise UnknownNameError("encoder", encoder, ENCODERS)
