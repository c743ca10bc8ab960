"""Attention to the last few inputs, as a cell: what is attended to is the state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit import Cell


class SlidingWindow(Cell):
    """Attention with keys and values kept in slots, the oldest of which is overwritten.

    Source: Vaswani et al. (2017), "Attention is all you need", equation 1; Beltagy et al. (2020),
    "Longformer", section 3.1, for the window.
    """

    def __init__(self, input_size: int, hidden_size: int, slots: int = 4, heads: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.slots, self.heads, self.width = slots, heads, hidden_size // heads
        self.encode, self.norm = nn.Linear(input_size, hidden_size), nn.LayerNorm(hidden_size)
        self.query_key_value = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.register_buffer("places", torch.arange(slots))

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
        keys, values = (self.zeros(batch_size, self.heads, self.slots, self.width) for _ in range(2))
        return keys, values, torch.zeros(batch_size, dtype=torch.int64, device=keys.device)

    def step(
        self, x: Tensor, state: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        keys, values, count = state
        stream = self.encode(x)
        split = self.query_key_value(self.norm(stream)).view(len(x), 3, self.heads, 1, self.width)
        query, key, value = split.unbind(1)
        here = (self.places == (count % self.slots)[:, None])[:, None, :, None]
        keys, values = torch.where(here, key, keys), torch.where(here, value, values)
        filled = (self.places <= count[:, None])[:, None, None]
        read = F.scaled_dot_product_attention(query, keys, values, attn_mask=filled)
        return stream + read.transpose(1, 2).reshape(len(x), -1), (keys, values, count + 1)


class RingBuffer(Cell):
    """`nn.MultiheadAttention` over the last hidden states, kept in a ring; its result enters a recurrence.

    Source: Vaswani et al. (2017), "Attention is all you need", section 3.2.2; Cheng et al. (2016), "Long
    short-term memory-networks for machine reading", equations 4 to 7, for attention to one's own past.
    """

    def __init__(self, input_size: int, hidden_size: int, slots: int = 4, heads: int = 2) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.slots = slots
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(2 * hidden_size, hidden_size)
        self.attention = nn.MultiheadAttention(hidden_size, heads, batch_first=True)
        self.register_buffer("places", torch.arange(slots))

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        ring = self.zeros(batch_size, self.slots, self.hidden_size)
        return {
            "hidden": ring[:, 0].clone(),
            "ring": ring,
            "count": torch.zeros(batch_size, 1, dtype=torch.int64, device=ring.device),
        }

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        hidden, ring, count = state["hidden"], state["ring"], state["count"]
        ring = torch.where((self.places == count % self.slots)[..., None], hidden[:, None], ring)
        empty = self.places > count
        query = (self.i2h(x) + hidden)[:, None]
        read, _ = self.attention(query, ring, ring, key_padding_mask=empty, need_weights=False)
        hidden = torch.tanh(self.i2h(x) + self.h2h(torch.cat([hidden, read[:, 0]], 1)))
        return hidden, {"hidden": hidden, "ring": ring, "count": count + 1}
