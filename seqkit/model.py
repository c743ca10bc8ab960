"""SequenceModel: encoder, cell, head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from seqkit.cells import Cell, Stacked, State
from seqkit.dropout import Dropout
from seqkit.encoders import Embedding, make_encoder
from seqkit.engine import check_cell, choose_engine, unroll_named
from seqkit.errors import ContractError
from seqkit.heads import SERIES_HEADS, Head, make_head


class SequenceModel(nn.Module):
    """A cell, unrolled through time, between an encoder and a head.

        ids (B, T) -> encoder -> dropout -> cell, layer by layer -> dropout -> head -> outputs (B, T, V)

    Args:
        cell: the recurrent cell; the layers of a `Stacked` cell are unrolled one after the other.
        encoder: `"one_hot"` (a step reads the one-hot row of its id), `"embedding"`, `"raw"` (the
            number itself; an id becomes one float feature), or an `Encoder`, or another module that
            returns `(batch, time, features)`.
        head: `"linear"`, `"none"` (the cell's output is the prediction), for numbers `"point"`, `"gaussian"`,
            `"student_t"` or `"quantile"`, or a `Head`.
        vocab_size: number of different ids; by default `cell.input_size` with `"one_hot"`.
        output_size: features of the prediction; by default `vocab_size`, or the cell's with `"none"`.
        dropout: probability of zeroing a feature after the encoder (except in one-hot rows), between
            layers and before the head.
        encoder_dropout: the probability after the encoder; by default that of `dropout`.
        engine: see `unroll`.
        recompute_every: see `unroll`; it has an effect only if gradients are computed.

    Raises:
        ContractError: two parts do not fit together.
        UnknownNameError: there is no such encoder, head or engine.

    Example:
        >>> from seqkit.cells import RNN
        >>> model = SequenceModel(RNN(65, 128), vocab_size=65)
        >>> outputs, state = model(torch.zeros(2, 10, dtype=torch.long))
        >>> outputs.shape
        torch.Size([2, 10, 65])
    """

    def __init__(
        self,
        cell: Cell,
        *,
        encoder: str | nn.Module = "one_hot",
        head: str | Head = "linear",
        vocab_size: int | None = None,
        output_size: int | None = None,
        dropout: float = 0.0,
        encoder_dropout: float | None = None,
        engine: str = "auto",
        recompute_every: int | None = None,
    ) -> None:
        super().__init__()
        check_cell(cell)
        if encoder == "one_hot" and vocab_size is None:
            vocab_size = cell.input_size
        if output_size is None:
            output_size = (
                vocab_size if vocab_size is not None else cell.output_size if head == "none" else None
            )
        if output_size is None and not isinstance(head, Head) and head not in SERIES_HEADS:
            raise ContractError(
                "SequenceModel needs vocab_size or output_size to know the size of its prediction."
            )
        self.encoder = make_encoder(encoder, vocab_size, cell.input_size)
        self.cell = cell
        self.dropout = Dropout(dropout)
        self.encoder_dropout = Dropout(dropout if encoder_dropout is None else encoder_dropout)
        self.head = make_head(head, cell.output_size, output_size or 0)
        self.engine = choose_engine(engine)
        self.recompute_every = recompute_every
        self._engines_ran: list[str] = []
        self.engine_ran: str | None = None
        """The engine that ran last in training; if `engine` is `"auto"`, the one that was chosen."""

    def forward(
        self, inputs: Tensor, state: State = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Predict the next value after each input.

        Args:
            inputs: `(batch, time)` ids or numbers, or `(batch, time, features)`.
            state: the state before the first step; by default the initial one.
            reset: bool `(batch, time)`; where true, that row is reset before that step.
        Returns:
            Outputs `(batch, time, output_size)`, and the state after the last step.
        """
        hidden, state = self.hidden(inputs, state, reset)
        if any(getattr(module, "inplace", False) for module in self.head.modules()):
            hidden = hidden.transpose(0, 1).clone().transpose(0, 1)  # may be saved for backward
        # The memory of (batch, time, ...) is time-major: in that order the head reads contiguous memory.
        return self.head(hidden.transpose(0, 1)).transpose(0, 1), state

    def hidden(
        self, inputs: Tensor, state: State = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The head's input, `(batch, time, cell.output_size)`, and the state after the last step."""
        x, table = inputs, self._table()
        if table is None:
            x = self.encoder(inputs)
            x = self.encoder_dropout(x) if x.is_floating_point() else x
        layers = self._layers(state)
        after: list[State] = []
        names: list[str] = []
        for index, (layer, layer_state) in enumerate(layers):
            x, layer_state, name = unroll_named(
                layer,
                x,
                layer_state,
                reset=reset,
                table=table,
                engine=self.engine,
                recompute_every=self.recompute_every,
            )
            table = None
            names.append(name)
            after.append(layer_state)
            if index < len(layers) - 1:
                x = self.dropout(x)
        if self.training or self.engine_ran is None:
            self.engine_ran = "+".join(sorted({*names}))
            self._engines_ran = names
        if not getattr(self.head, "passes_on", False):  # else the cell's output is the logits
            x = self.dropout(x)
        return x, tuple(after) if isinstance(self.cell, Stacked) else after[0]

    def audit(self, inputs: Tensor, state: State) -> str | None:
        """How the gradients of the engine that ran last differ from the loop's; None if they do not.

        Both engines unroll a few steps of each layer. The model is not changed.

        Args:
            inputs: a batch like those that the model is trained on.
            state: the state before the batch.
        """
        from seqkit.engine.plan.auditing import (
            buffers_kept,
            difference_in_training,
        )  # imports PyTorch's tracer

        with torch.no_grad(), buffers_kept(self):
            table = self._table()
            x = inputs[:, :3] if table is not None else self.encoder(inputs[:, :3])
            for engine, (layer, layer_state) in zip(self._engines_ran, self._layers(state), strict=True):
                difference = difference_in_training(engine, layer, x, layer_state, table)
                if difference is not None:
                    return "".join(difference)
                x, _, _ = unroll_named(layer, x, layer_state, table=table, engine="loop")
                table = None
        return None

    def _layers(self, state: State) -> list[tuple[Cell, State]]:
        """The cells that are unrolled one after the other, each with its state."""
        if not isinstance(self.cell, Stacked):
            return [(self.cell, state)]
        layers = list(self.cell.cells)
        return list(zip(layers, state or [None] * len(layers), strict=True))

    def _table(self) -> Tensor | None:
        """The table of a plain embedding, in which the engine can look up ids itself; else None."""
        encoder, dropout = self.encoder, self.encoder_dropout
        if type(encoder) is not Embedding or (dropout.training and dropout.p > 0):
            return None
        options = encoder.max_norm, encoder.scale_grad_by_freq, encoder.sparse
        hooks = encoder._forward_hooks, encoder._forward_pre_hooks
        hooks_back = encoder._backward_hooks, encoder._backward_pre_hooks
        is_plain = encoder.padding_idx is None and not any((*options, *hooks, *hooks_back))
        return encoder.weight if is_plain else None


@contextmanager
def evaluating(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put modules in evaluation mode inside the block, and restore their modes afterwards."""
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def device_of(model: nn.Module) -> torch.device:
    """The device that the model's tensors are on."""
    return next(chain(model.parameters(), model.buffers())).device
