"""The hyperbolic tangent of compiled kernels."""

import torch

from seqkit.engine.compile.tanh import fast_tanh


def test_within_two_units_in_the_last_place() -> None:
    x = torch.cat(
        [torch.linspace(-20, 20, 200_001), torch.logspace(-38, 0, 50_001), -torch.logspace(-38, 0, 50_001)]
    )
    exact = x.double().tanh()
    nearest = exact.float().abs()
    unit = (nearest.nextafter(torch.tensor(2.0)) - nearest).double()
    assert ((fast_tanh(x).double() - exact).abs() <= 2 * unit).all()


def test_where_it_has_no_slope() -> None:
    x = torch.tensor([0.0, 100.0, -100.0, torch.inf, -torch.inf, torch.nan])
    torch.testing.assert_close(fast_tanh(x), x.tanh(), rtol=0, atol=0, equal_nan=True)


def test_other_dtypes_are_not_changed() -> None:
    assert fast_tanh(torch.zeros(3, dtype=torch.float64)) is NotImplemented
