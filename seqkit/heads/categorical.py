"""A prediction over a vocabulary."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit.errors import SamplingError
from seqkit.heads.base import Head, full_precision


class CategoricalHead(Head):
    """Logits over a vocabulary, from a linear layer, or the cell's own output.

    Args:
        projection: a module that computes the logits, `(..., hidden)` to `(..., output_size)`.
        output_size: size of the vocabulary.
    """

    def __init__(self, projection: nn.Module, output_size: int) -> None:
        super().__init__()
        self.projection = projection
        self.output_size = output_size

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits `(..., output_size)`."""
        logits: Tensor = self.projection(hidden)
        return logits

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy in nats, `(N, output_size), (N,) -> (N,)`."""
        return F.cross_entropy(full_precision(outputs), targets.long(), reduction="none")

    def predict(self, outputs: Tensor) -> Tensor:
        """The likeliest id, `(..., output_size) -> (...)`."""
        return outputs.argmax(-1)

    def sample(
        self,
        outputs: Tensor,
        generator: torch.Generator | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Tensor:
        """Draw ids from logits, with the CPU's random numbers: a seed gives the same text on every device.

        Args:
            outputs: logits `(..., output_size)`.
            generator: source of the random numbers, on the CPU.
            temperature: divides the logits; 0 takes the likeliest id.
            top_k: only the k likeliest ids can be drawn.
            top_p: only the likeliest ids that together reach this probability can be drawn.
        Returns:
            Ids `(...)`, on the device of the logits.
        Raises:
            SamplingError: an option is out of its range, or a logit is not a number.
        """
        check_sampling(temperature, top_k, top_p)
        likeliest, ids = outputs.detach().cpu().max(-1)  # NaN, if one of the logits is
        if math.isnan(likeliest.sum().item()):
            raise SamplingError("the model's prediction is not a number: its weights have diverged.")
        if temperature == 0:
            return ids.to(outputs.device)
        # Subtracting the maximum first keeps a tiny temperature from overflowing.
        logits = outputs.detach().to("cpu", torch.float64)
        logits = (logits - logits.amax(-1, keepdim=True)) / temperature
        if top_k is not None and top_k < self.output_size:
            kept = logits.topk(top_k)  # by index: ties do not keep more than k
            logits = torch.full_like(logits, -torch.inf).scatter(-1, kept.indices, kept.values)
        probabilities = logits.softmax(-1)
        if top_p is not None and top_p < 1:
            ranked, order = probabilities.sort(dim=-1, descending=True, stable=True)
            # An id can be drawn if the likelier ones do not reach top_p without it.
            ranked = ranked.masked_fill(ranked.cumsum(-1) - ranked >= top_p - 1e-12, 0)
            probabilities = torch.zeros_like(probabilities).scatter(-1, order, ranked)
        drawn = torch.multinomial(probabilities.reshape(-1, self.output_size), 1, generator=generator)
        return drawn.view(outputs.shape[:-1]).to(outputs.device)


def penalize_repetition(logits: Tensor, drawn: Tensor, penalty: float) -> Tensor:
    """Make ids that were drawn before less likely; apply it before the temperature divides the logits.

    A positive logit is divided by the penalty. A negative one is multiplied by it, as in other
    implementations, for a division would make it likelier.

    Args:
        logits: `(..., output_size)`.
        drawn: bool `(output_size)`, the ids that were drawn before; those of a prompt do not count.
        penalty: theta in the paper, which proposes 1.2; 1.0 changes nothing, a lower value makes these ids
            likelier.
    Source: Keskar et al. (2019), "CTRL: a conditional transformer language model for controllable
    generation", section 4.1, arXiv 1909.05858.
    """
    penalized = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(drawn, penalized, logits)


def check_sampling(
    temperature: float, top_k: int | None, top_p: float | None, repetition_penalty: float = 1.0
) -> None:
    """Raise SamplingError if an option is out of its range."""
    if not 0 <= temperature < float("inf"):
        raise SamplingError(f"temperature must be 0 (greedy) or greater, got {temperature}.")
    if top_k is not None and top_k < 1:
        raise SamplingError(f"top_k must be 1 or greater, got {top_k}.")
    if top_p is not None and not 0 < top_p <= 1:
        raise SamplingError(f"top_p must be greater than 0 and at most 1, got {top_p}.")
    if not 0 < repetition_penalty < float("inf"):
        raise SamplingError(
            f"repetition_penalty must be greater than 0 (1.0 is off), got {repetition_penalty}."
        )
