"""Heads for numbers, compared with torch.distributions and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from seqkit.heads import SERIES_HEADS, GaussianHead, PointHead, QuantileHead, StudentTHead, make_head

HIDDEN = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))


def random_head(name: str) -> torch.nn.Module:
    head = SERIES_HEADS[name](6)
    torch.nn.init.normal_(head.projection.weight, std=0.3)
    return head


@pytest.mark.parametrize("name", SERIES_HEADS)
def test_with_untrained_weights_it_is_the_flat_forecast(name: str) -> None:
    head = SERIES_HEADS[name](6)
    outputs = head(HIDDEN)
    assert outputs.shape == (50, head.output_size)
    assert torch.equal(head.location(outputs), torch.zeros(50))
    if name in ("gaussian", "quantile"):
        levels = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
        found = head.quantiles(outputs.double(), levels)[0].detach().numpy()
        np.testing.assert_allclose(found, stats.norm.ppf(levels), atol=1e-3)


def test_gaussian_against_torch() -> None:
    head = random_head("gaussian")
    outputs, targets = head(HIDDEN), torch.randn(50)
    expected = -torch.distributions.Normal(outputs[:, 0], outputs[:, 1]).log_prob(targets)
    torch.testing.assert_close(head.loss(outputs, targets), expected)
    levels = torch.tensor([0.01, 0.3, 0.99], dtype=torch.float64)
    found = head.quantiles(outputs.double(), levels).detach().numpy()
    location, scale = outputs.detach().double().numpy().T
    np.testing.assert_allclose(found, stats.norm.ppf(levels, location[:, None], scale[:, None]))


def test_student_t_against_scipy() -> None:
    head = random_head("student_t")
    outputs, targets = head(HIDDEN), torch.randn(50)
    location, scale, freedom = outputs.detach().double().numpy().T
    expected = -stats.t.logpdf(targets.numpy(), freedom, location, scale)
    np.testing.assert_allclose(head.loss(outputs, targets).detach().numpy(), expected, rtol=1e-4)
    levels = torch.tensor([0.01, 0.3, 0.99], dtype=torch.float64)
    found = head.quantiles(outputs.double(), levels).detach().numpy()
    expected = stats.t.ppf(levels, freedom[:, None], location[:, None], scale[:, None])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (freedom > 2).all()


def test_quantile_loss_is_twice_the_mean_pinball_loss() -> None:
    head = QuantileHead(6)
    outputs = torch.arange(15.0).expand(1, 15)
    levels = np.array(QuantileHead.LEVELS)
    below = 3.2 - np.arange(15)
    expected = 2 * np.where(below > 0, levels * below, (levels - 1) * below).mean()
    assert head.loss(outputs, torch.tensor([3.2])).item() == pytest.approx(expected, rel=1e-6)


def test_quantiles_never_cross_and_are_interpolated() -> None:
    head = random_head("quantile")
    outputs = head(3 * HIDDEN).detach()
    assert (outputs.diff() > 0).all()
    at = torch.tensor(QuantileHead.LEVELS, dtype=torch.float64)
    torch.testing.assert_close(head.quantiles(outputs.double(), at), outputs.double(), atol=1e-6, rtol=1e-6)
    between = head.quantiles(outputs.double(), torch.tensor([0.45], dtype=torch.float64))
    torch.testing.assert_close(
        between[:, 0], (outputs[:, 6] + outputs[:, 7]).double() / 2, atol=1e-5, rtol=1e-5
    )
    beyond = head.quantiles(outputs.double(), torch.tensor([0.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(beyond, outputs[:, [0, -1]].double(), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "student_t", "quantile"])
def test_draws_follow_the_quantiles_and_repeat_by_seed(name: str) -> None:
    head = random_head(name)
    outputs = head(HIDDEN[:1]).detach().double().expand(20_000, -1)
    drawn = head.sample(outputs, torch.Generator().manual_seed(3))
    assert torch.equal(drawn, head.sample(outputs, torch.Generator().manual_seed(3)))
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    shares = [(drawn <= level).double().mean().item() for level in head.quantiles(outputs[:1], levels)[0]]
    np.testing.assert_allclose(shares, levels, atol=0.015)


def test_a_point_has_no_interval() -> None:
    head = PointHead(6)
    outputs = torch.tensor([[2.0]])
    assert not head.has_interval
    assert head.sample(outputs).tolist() == [2.0]
    assert head.loss(outputs, torch.tensor([5.0])).tolist() == [9.0]
    assert head.quantiles(outputs, torch.tensor([0.05, 0.95])).tolist() == [[2.0, 2.0]]


def test_they_are_found_by_name() -> None:
    assert isinstance(make_head("gaussian", 6, 0), GaussianHead)
    assert isinstance(make_head("student_t", 6, 0), StudentTHead)


@pytest.mark.parametrize("name", ["point", "gaussian"])
def test_the_prediction_is_the_mean_of_what_is_drawn(name: str) -> None:
    head = random_head(name)
    outputs = head(HIDDEN).detach()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([head.sample(outputs.double(), generator) for _ in range(4000)])
    error = (drawn.mean(0) - head.predict(outputs)).abs() / (drawn.std(0) + 1e-3)
    assert error.max() < 0.12  # seven standard errors
