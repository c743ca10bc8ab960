"""A linear recurrence over whole sequences at once, for cells whose gates do not read the state.

    h[t] = exp(log_decay[t]) * h[t - 1] + values[t]

Each round joins every step with the one `reach` before it, and doubles the reach:

    step        0      1      2      3      4          a step stands for
    reach 1     0    0..1   1..2   2..3   3..4         a decay, the sum of its steps' logarithms,
    reach 2     0    0..1   0..2   0..3   1..4         and a value, what they add to the state
    reach 4     0    0..1   0..2   0..3   0..4
"""

from __future__ import annotations

import torch
from torch import Tensor


def linear_scan(
    log_decay: Tensor,
    values: Tensor,
    state: Tensor,
    reset: Tensor | None = None,
    *,
    initial: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """All states of a linear recurrence, in about log2(time) rounds over the whole sequence.

    Decays are multiplied by adding their logarithms, and nothing is divided, so that neither small
    decays nor long sequences overflow; a decay of 0 is a logarithm of minus infinity.
    It is made for a GPU and for long sequences; on a CPU, running the steps one by one is faster.

    Args:
        log_decay: `(batch, time, ...)`, the logarithm of what the state is multiplied by at each step.
        values: `(batch, time, ...)`, what is added at each step.
        state: `(batch, ...)`, the state before the first step.
        reset: bool `(batch, time)`; where true, that row's state is `initial` before that step.
        initial: `(batch, ...)`; zeros by default.
    Returns:
        The state after each step, `(batch, time, ...)`, a transposed view of time-major memory, and
        the one after the last step.

    Source: Hillis and Steele (1986), "Data parallel algorithms".

    Example:
        >>> half = torch.tensor(0.5).log().expand(1, 4, 1)
        >>> states, last = linear_scan(half, torch.ones(1, 4, 1), torch.zeros(1, 1))
        >>> states.flatten().tolist()
        [1.0, 1.5, 1.75, 1.875]
    """
    decay, value = log_decay.transpose(0, 1), values.transpose(0, 1)
    if reset is not None:
        rows = reset.t().reshape(*decay.shape[:2], *[1] * (decay.ndim - 2))
        if initial is not None:
            value = torch.where(rows, value + decay.exp() * initial, value)
        decay = decay.masked_fill(rows, -torch.inf)
    value = torch.cat([value[:1] + decay[:1].exp() * state, value[1:]])
    reach = 1
    while reach < len(value):
        # The first `reach` steps already include all steps since the start.
        value = torch.cat([value[:reach], value[reach:] + decay[reach:].exp() * value[:-reach]])
        decay = torch.cat([decay[:reach], decay[reach:] + decay[:-reach]])
        reach *= 2
    return value.transpose(0, 1), value[-1]
