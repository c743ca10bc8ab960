import pytest
import torch
from torch import Tensor

from seqkit.plugin import linear_scan


def by_steps(
    log_decay: Tensor, values: Tensor, state: Tensor, reset: Tensor | None, initial: Tensor
) -> tuple[Tensor, Tensor]:
    states = []
    for t in range(values.shape[1]):
        if reset is not None:
            rows = reset[:, t].view(-1, *[1] * (state.ndim - 1))
            state = torch.where(rows, initial, state)
        state = log_decay[:, t].exp() * state + values[:, t]
        states.append(state)
    return torch.stack(states, 1), state


def drawn(time: int, *sizes: int, seed: int = 0) -> list[Tensor]:
    torch.manual_seed(seed)
    log_decay = -torch.rand(3, time, *sizes, dtype=torch.double) * 3
    values = torch.randn(3, time, *sizes, dtype=torch.double)
    state, initial = torch.randn(2, 3, *sizes, dtype=torch.double)
    return [leaf.requires_grad_() for leaf in (log_decay, values, state, initial)]


@pytest.mark.parametrize("time", [1, 2, 3, 7, 8, 33])
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("sizes", [(4,), (), (2, 3)])
def test_it_is_the_steps(time: int, resets: bool, sizes: tuple[int, ...]) -> None:
    log_decay, values, state, initial = given = drawn(time, *sizes)
    reset = torch.rand(3, time) < 0.3 if resets else None
    results = []
    for scan in (by_steps, lambda a, b, c, d, e: linear_scan(a, b, c, d, initial=e)):
        states, last = scan(log_decay, values, state, reset, initial)
        weights = torch.linspace(-1, 1, states.numel(), dtype=torch.double).view_as(states)
        loss = (states * weights).sum() + (last**2).sum()
        results.append([states, last, *torch.autograd.grad(loss, given, allow_unused=True)])
    for expected, found in zip(*results, strict=True):
        nothing = torch.zeros((), dtype=torch.double)  # the gradient of what is not used
        expected, found = (nothing if value is None else value for value in (expected, found))
        torch.testing.assert_close(*torch.broadcast_tensors(found, expected), rtol=1e-10, atol=1e-10)


def test_a_reset_is_to_zeros_by_default() -> None:
    log_decay, values, state, _ = drawn(9, 2)
    reset = torch.zeros(3, 9, dtype=torch.bool)
    reset[1, 4] = True
    found, _ = linear_scan(log_decay, values, state, reset)
    expected, _ = by_steps(log_decay, values, state, reset, torch.zeros_like(state))
    torch.testing.assert_close(found, expected)


def test_tiny_decays_over_a_long_sequence_stay_finite() -> None:
    log_decay = torch.full((1, 5000, 3), -1e4)
    log_decay[..., 1] = 0.0
    log_decay[:, ::7, 2] = -torch.inf
    log_decay.requires_grad_()
    values = torch.full((1, 5000, 3), 0.5)
    states, last = linear_scan(log_decay, values, torch.ones(1, 3))
    expected, _ = by_steps(log_decay, values, torch.ones(1, 3), None, torch.zeros(1, 3))
    torch.testing.assert_close(states, expected)
    assert last[0, 1] == 2501
    last.sum().backward()
    assert log_decay.grad is not None
    assert log_decay.grad.isfinite().all()


def test_its_memory_is_time_major() -> None:
    states, _ = linear_scan(*drawn(6, 2)[:3])
    assert states.shape == (3, 6, 2)
    assert states.transpose(0, 1).is_contiguous()
