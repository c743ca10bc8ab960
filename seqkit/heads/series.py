"""Predictions of a number: a point, or a distribution.

With untrained weights the location is 0 and the scale is 1 for any output of the cell. For returns this is
the flat forecast, so any difference from it has been learned.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit.heads.base import Head, full_precision

SMALLEST_SCALE = 1e-4
"""Lower bound of the scale, in the target's unit, so that a density cannot grow without bound."""


class SeriesHead(Head):
    """A prediction of a number, from a linear layer.

    Args:
        input_size: features of the cell's output.
        output_size: not used, because the distribution fixes the number of parameters.
    """

    has_interval = True
    """Whether the prediction has an interval."""
    raw_at_start: tuple[float, ...]
    """The output of the untrained linear layer: `output_size` numbers."""

    def __init__(self, input_size: int, output_size: int | None = None) -> None:
        super().__init__()
        self.output_size = len(self.raw_at_start)
        self.projection = nn.Linear(input_size, self.output_size)
        nn.init.zeros_(self.projection.weight)
        with torch.no_grad():
            self.projection.bias.copy_(torch.tensor(self.raw_at_start))

    def forward(self, hidden: Tensor) -> Tensor:
        """The parameters of each prediction, `(..., hidden)` to `(..., output_size)`."""
        return self.parameters_of(full_precision(self.projection(hidden)))

    @abstractmethod
    def parameters_of(self, raw: Tensor) -> Tensor:
        """The parameters `(..., output_size)`, each in its range, from the output of the linear layer."""

    @abstractmethod
    def location(self, outputs: Tensor) -> Tensor:
        """The point prediction, `(..., output_size) -> (...)`."""

    @abstractmethod
    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor:
        """The numbers below which the next number falls with these probabilities.

        Args:
            outputs: `(..., output_size)`.
            levels: probabilities between 0 and 1, `(K,)`, or `(..., K)` for separate levels per prediction.
        Returns:
            `(..., K)`.
        """

    def predict(self, outputs: Tensor) -> Tensor:
        """The location, `(..., output_size) -> (...)`."""
        return self.location(outputs)

    def sample(
        self, outputs: Tensor, generator: torch.Generator | None = None, *args: Any, **options: Any
    ) -> Tensor:
        """Draw the next number, `(..., output_size) -> (...)`: the quantile at a random level."""
        levels = torch.rand(*outputs.shape[:-1], 1, generator=generator, dtype=torch.float64)
        levels = levels.clamp(1e-9, 1 - 1e-9).to(outputs.device)
        return self.quantiles(outputs, levels)[..., 0]


class PointHead(SeriesHead):
    """One number, trained with the squared error: the expected value, without an interval."""

    has_interval = False
    raw_at_start = (0.0,)

    def parameters_of(self, raw: Tensor) -> Tensor:
        """The number itself, `(..., 1)`."""
        return raw

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The squared error, `(N, 1), (N,) -> (N,)`."""
        return (outputs[:, 0] - targets) ** 2

    def location(self, outputs: Tensor) -> Tensor:
        """The number."""
        return outputs[..., 0]

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor:
        """The number at every level: a point has no interval, and a draw returns the point."""
        return outputs.expand(*outputs.shape[:-1], levels.shape[-1])


class GaussianHead(SeriesHead):
    """A normal distribution: location and scale."""

    raw_at_start = (0.0, math.log(math.expm1(1.0)))

    def parameters_of(self, raw: Tensor) -> Tensor:
        """Location and scale, `(..., 2)`."""
        return torch.stack([raw[..., 0], F.softplus(raw[..., 1]) + SMALLEST_SCALE], -1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The negative log density in nats, `(N, 2), (N,) -> (N,)`."""
        location, scale = outputs.unbind(-1)
        nats: Tensor = 0.5 * ((targets - location) / scale) ** 2 + scale.log() + 0.5 * math.log(2 * math.pi)
        return nats

    def location(self, outputs: Tensor) -> Tensor:
        """The mean, which is the median."""
        return outputs[..., 0]

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor:
        """Quantiles of the normal distribution."""
        location, scale = outputs[..., None].unbind(-2)
        quantiles: Tensor = location + scale * torch.special.ndtri(levels)
        return quantiles


class StudentTHead(SeriesHead):
    """Student's t distribution, with tails learned from the data: location, scale, degrees of freedom."""

    raw_at_start = (0.0, math.log(math.expm1(1.0)), 6.0)

    def parameters_of(self, raw: Tensor) -> Tensor:
        """Location, scale, and degrees of freedom above 2 (so that the variance exists), `(..., 3)`."""
        scale = F.softplus(raw[..., 1]) + SMALLEST_SCALE
        return torch.stack([raw[..., 0], scale, 2.01 + F.softplus(raw[..., 2])], -1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The negative log density in nats, `(N, 3), (N,) -> (N,)`."""
        location, scale, freedom = outputs.unbind(-1)
        distribution = torch.distributions.StudentT(freedom, location, scale, validate_args=False)
        log_density: Tensor = distribution.log_prob(targets)  # type: ignore[no-untyped-call]  # untyped in torch
        return -log_density

    def location(self, outputs: Tensor) -> Tensor:
        """The mean, which is the median."""
        return outputs[..., 0]

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor:
        """Quantiles of Student's t distribution; no gradient flows through them."""
        from scipy.special import stdtrit

        location, scale, freedom = outputs.detach()[..., None].unbind(-2)
        standard = stdtrit(freedom.double().cpu().numpy(), levels.double().cpu().numpy())
        return location + scale * torch.from_numpy(standard).to(outputs)


def _normal_steps(levels: Sequence[float]) -> Iterator[float]:
    """Differences between successive quantiles of the standard normal distribution."""
    quantiles = map(NormalDist().inv_cdf, levels)
    return (after - before for before, after in pairwise(quantiles))


class QuantileHead(SeriesHead):
    """The quantiles at fixed levels, which never cross; no shape of distribution is assumed.

    Between two levels the quantile is interpolated; beyond the outermost levels it stays constant.

    Source: Koenker and Bassett (1978), "Regression quantiles".
    """

    LEVELS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
    MIDDLE = 7  # index of the median
    levels: Tensor

    raw_at_start = (0.0, *(math.log(math.expm1(step)) for step in _normal_steps(LEVELS)))

    def __init__(self, input_size: int, output_size: int | None = None) -> None:
        super().__init__(input_size)
        self.register_buffer("levels", torch.tensor(self.LEVELS), persistent=False)

    def parameters_of(self, raw: Tensor) -> Tensor:
        """The quantiles in order, `(..., 15)`: the median, and positive steps away from it."""
        median, steps = raw[..., :1], F.softplus(raw[..., 1:])
        below = -steps[..., : self.MIDDLE].flip(-1).cumsum(-1).flip(-1)
        above = steps[..., self.MIDDLE :].cumsum(-1)
        return torch.cat([median + below, median, median + above], -1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Twice the mean pinball loss in the target's unit, `(N, 15), (N,) -> (N,)`."""
        below = targets[:, None] - outputs
        return 2 * torch.maximum(self.levels * below, (self.levels - 1) * below).mean(-1)

    def location(self, outputs: Tensor) -> Tensor:
        """The median."""
        return outputs[..., self.MIDDLE]

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor:
        """Quantiles interpolated between the predicted ones."""
        known = self.levels.to(levels)
        levels = levels.clamp(known[0], known[-1])
        upper = torch.searchsorted(known, levels.contiguous()).clamp(1, len(known) - 1)
        share = ((levels - known[upper - 1]) / (known[upper] - known[upper - 1])).to(outputs)
        upper = upper.expand(*outputs.shape[:-1], levels.shape[-1])
        low, high = outputs.gather(-1, upper - 1), outputs.gather(-1, upper)
        return low + share * (high - low)
