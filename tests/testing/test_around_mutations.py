"""Heads and encoders that are wrong on purpose, each found by the check that should find it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit.encoders import Encoder
from seqkit.heads import Head
from seqkit.testing import EncoderCase, HeadCase, run_checks


class Right(Head):
    """A correct head; each mutant changes one thing."""

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.linear = nn.Linear(input_size, output_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.linear(hidden)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, reduction="none")

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(-1)

    def sample(self, outputs: Tensor, generator: Any = None, *args: Any, **options: Any) -> Tensor:
        flat = outputs.softmax(-1).reshape(-1, self.output_size)
        return torch.multinomial(flat, 1, generator=generator).view(outputs.shape[:-1])


class WrongSize(Right):
    def forward(self, hidden: Tensor) -> Tensor:
        return super().forward(hidden)[..., :-1]


class MeanLoss(Right):
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss(outputs, targets).mean()


class NoGradient(Right):
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss(outputs.detach(), targets)


class RowsLeak(Right):
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss(outputs - outputs.mean(0), targets)


class DrawsBeyond(Right):
    def sample(self, outputs: Tensor, generator: Any = None, *args: Any, **options: Any) -> Tensor:
        return super().sample(outputs, generator) + 1


class DrawsFlatter(Right):
    def sample(self, outputs: Tensor, generator: Any = None, *args: Any, **options: Any) -> Tensor:
        return super().sample(-outputs, generator)


class OwnStream(Right):
    def sample(self, outputs: Tensor, generator: Any = None, *args: Any, **options: Any) -> Tensor:
        return super().sample(outputs, None)


class PredictsNumbers(Right):
    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.amax(-1)


class ForgetsAWeight(Right):
    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__(input_size, output_size)
        self.scale = torch.rand(output_size, dtype=torch.float64)

    def forward(self, hidden: Tensor) -> Tensor:
        return super().forward(hidden) * self.scale


@pytest.mark.parametrize(
    ("head", "check"),
    [
        (WrongSize, "shapes"),
        (MeanLoss, "loss_is_one_number_each"),
        (NoGradient, "loss_is_differentiable"),
        (RowsLeak, "rows_are_independent"),
        (DrawsBeyond, "samples_are_targets"),
        (DrawsFlatter, "own_samples_cost_least"),
        (OwnStream, "draws_follow_the_generator"),
        (PredictsNumbers, "prediction_is_a_target"),
        (ForgetsAWeight, "saved_weights_give_the_same"),
    ],
)
def test_a_wrong_head_is_found(head: type[Head], check: str) -> None:
    failed = [result.check for result in run_checks(HeadCase(head)).results if not result.passed]
    assert check in failed
    assert len(failed) <= (7 if head is WrongSize else 3)  # with a wrong size, nearly all checks fail


def test_the_head_that_the_mutants_derive_from_is_correct() -> None:
    assert run_checks(HeadCase(Right)).passed


class Plain(Encoder):
    """A correct encoder: a vector for each id."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = 4
        self.table = nn.Parameter(torch.randn(input_size, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.table[inputs]


class Looks(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).cumsum(1)


class Mixes(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        vectors = super().forward(inputs)
        return vectors - vectors.mean(0)


class Transposed(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.t())


class Unused(Plain):
    def __init__(self, input_size: int) -> None:
        super().__init__(input_size)
        self.other = nn.Parameter(torch.zeros(3))


class WritesOver(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        vectors = super().forward(inputs.clone())
        inputs += 0
        inputs[0, 0] = 1 - inputs[0, 0].clamp(max=1)
        return vectors


@pytest.mark.parametrize(
    ("encoder", "check"),
    [
        (Looks, "times_are_independent"),
        (Mixes, "rows_are_independent"),
        (Transposed, "shapes"),
        (Unused, "gradients_are_finite"),
        (WritesOver, "input_is_not_changed"),
    ],
)
def test_a_wrong_encoder_is_found(encoder: type[Encoder], check: str) -> None:
    failed = [result.check for result in run_checks(EncoderCase(encoder)).results if not result.passed]
    assert check in failed
    assert len(failed) <= 3


def test_the_encoder_that_the_mutants_derive_from_is_correct() -> None:
    assert run_checks(EncoderCase(Plain)).passed
