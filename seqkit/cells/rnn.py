"""The RNN written from scratch: three weight matrices and a tanh."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqkit.cells.base import Cell


class RNN(Cell):
    """The recurrent network of Elman (1990), as it is written from scratch.

    Args:
        input_size: features of the input at each step.
        hidden_size: units of the hidden state.
        output_size: features that `h2o` reads from the hidden state; by default the output is the
            hidden state itself.

    Example:
        >>> rnn = RNN(input_size=1, hidden_size=8, output_size=3)
        >>> out, hidden = rnn(torch.ones(2, 1), rnn.init_zero_hidden(batch_size=2))
        >>> out.shape, hidden.shape
        (torch.Size([2, 3]), torch.Size([2, 8]))
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int | None = None) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = hidden_size if output_size is None else output_size
        self.i2h = nn.Linear(input_size, hidden_size, bias=False)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size) if output_size is not None else None

    def step(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one time step: h' = tanh(i2h(x) + h2h(h)), out = h2o(h').

        Args:
            x: input at this step, `(batch, input_size)`.
            hidden: hidden state before this step, `(batch, hidden_size)`.
        Returns:
            Output `(batch, output_size)` and the new hidden state.
        """
        hidden = torch.tanh(self.i2h(x) + self.h2h(hidden))
        out = hidden if self.h2o is None else self.h2o(hidden)
        return out, hidden

    def init_zero_hidden(self, batch_size: int = 1) -> Tensor:
        """The hidden state before the first step: zeros `(batch, hidden_size)`."""
        return self.zeros(batch_size, self.hidden_size)
