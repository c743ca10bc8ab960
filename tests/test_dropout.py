"""The dropout of a model."""

import pytest
import torch
from torch import Tensor

from seqkit.dropout import Dropout


@pytest.fixture
def x() -> Tensor:
    """Time-major memory, as an unroll returns it; the number of elements is not a multiple of four."""
    return torch.ones(101, 7, 33).transpose(0, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_each_number_is_zeroed_as_often(x: Tensor, p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    dropped = Dropout(p)(x.to(dtype))
    assert dropped.dtype == dtype
    assert dropped.stride() == x.stride()
    in_order = dropped.transpose(0, 1).flatten()
    for phase in range(4):  # four draws come from one random number
        share = float((in_order[phase::4] == 0).double().mean())
        assert share == pytest.approx(p, abs=4 * (p * (1 - p) / (x.numel() / 4)) ** 0.5)
    assert in_order[in_order != 0].unique().tolist() == pytest.approx([1 / (1 - p)], rel=1e-2)


def test_draws_are_independent_and_come_from_the_seed(x: Tensor) -> None:
    torch.manual_seed(0)
    first, second = Dropout(0.5)(x), Dropout(0.5)(x)
    torch.manual_seed(0)
    assert torch.equal(Dropout(0.5)(x), first)
    kept, before = (
        (first.transpose(0, 1).flatten() > 0).double(),
        (second.transpose(0, 1).flatten() > 0).double(),
    )
    for other in (before, kept.roll(1), kept.roll(2), kept.roll(4)):
        assert abs(float(torch.corrcoef(torch.stack([kept, other]))[0, 1])) < 4 / len(kept) ** 0.5


def test_the_gradient_is_what_was_kept() -> None:
    numbers = torch.randn(5, 6, requires_grad=True)
    dropped = Dropout(0.25)(numbers)
    dropped.sum().backward()  # type: ignore[no-untyped-call]  # torch has not typed it
    torch.testing.assert_close(numbers.grad * numbers, dropped)


@pytest.mark.parametrize("p", [0.0, 1e-9, 1.0, 0.5])
def test_what_is_left_to_torch(x: Tensor, p: float) -> None:
    assert torch.equal(Dropout(p).eval()(x), x)
    if p != 0.5:
        assert torch.equal(Dropout(p)(x), torch.zeros_like(x) if p == 1 else x)
