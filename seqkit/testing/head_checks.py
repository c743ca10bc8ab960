"""What the contract of a head says, check by check."""

from __future__ import annotations

import torch
from torch import Tensor

from seqkit.testing.around import HeadCase
from seqkit.testing.kit import CheckList, require

HEAD_CHECKS: CheckList[HeadCase] = CheckList()
check = HEAD_CHECKS.check

DRAWS = 4000
"""From one prediction: enough for a mean loss to tell it from another."""


@check
def check_config_fields_are_keywords(case: HeadCase) -> None:
    """Every field of the config is a keyword of the constructor."""
    missing = case.missing_keywords()
    require(not missing, f"the constructor has no keyword {', '.join(missing)}")


@check
def check_shapes(case: HeadCase) -> None:
    """It gives `(..., output_size)` for `(..., hidden)`."""
    head = case.make()
    for shape in ((3, 4), (5,), ()):
        outputs = head(torch.randn(*shape, case.input_size, dtype=torch.float64))
        expected = (*shape, head.output_size)
        require(outputs.shape == expected, f"it gives {tuple(outputs.shape)}, not {expected}")


@check
def check_loss_is_one_number_each(case: HeadCase) -> None:
    """The loss of `(N, output_size)` and N targets is N finite numbers."""
    head = case.make()
    losses = head.loss(case.outputs(head, 7), case.targets(7))
    require(losses.shape == (7,), f"the loss of 7 predictions has the shape {tuple(losses.shape)}")
    require(losses.isfinite().all(), "a loss is not finite")


@check
def check_rows_are_independent(case: HeadCase) -> None:
    """The loss of a row does not depend on the others."""
    head = case.make()
    outputs, targets = case.outputs(head, 7), case.targets(7)
    alone = torch.cat([head.loss(outputs[row : row + 1], targets[row : row + 1]) for row in range(7)])
    require(torch.allclose(head.loss(outputs, targets), alone), "a row alone has another loss")


@check
def check_loss_is_differentiable(case: HeadCase) -> None:
    """The gradient of the loss reaches the outputs, and is finite."""
    head = case.make()
    outputs = case.outputs(head, 7).requires_grad_()
    losses = head.loss(outputs, case.targets(7))
    require(losses.requires_grad, "the loss has no gradient")
    (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    require(gradient.isfinite().all(), "a gradient is not finite")
    require((gradient != 0).any(), "every gradient is 0: nothing can be learned")


@check
def check_samples_are_targets(case: HeadCase) -> None:
    """A draw is a target: an id of the vocabulary, or a finite number; one for each prediction."""
    head = case.make()
    outputs = case.outputs(head, 12).view(3, 4, -1)
    _require_targets(case, head.sample(outputs, torch.Generator().manual_seed(0)), "a draw")


@check
def check_prediction_is_a_target(case: HeadCase) -> None:
    """What is predicted is a target, one for each."""
    head = case.make()
    _require_targets(case, head.predict(case.outputs(head, 12).view(3, 4, -1)), "a prediction")


@check
def check_draws_follow_the_generator(case: HeadCase) -> None:
    """The same generator gives the same draws, and the global random stream does not move."""
    head = case.make()
    outputs = case.outputs(head, 20)
    before = torch.get_rng_state()
    first, second = (head.sample(outputs, torch.Generator().manual_seed(3)) for _ in range(2))
    require(torch.equal(first, second), "one seed gives two different draws")
    require(torch.equal(before, torch.get_rng_state()), "a draw moves the global random stream")


@check
def check_own_samples_cost_least(case: HeadCase) -> None:
    """What is drawn from a prediction costs less under it than under any other, in the mean."""
    head = case.make()
    predictions = case.outputs(head, 4)
    generator = torch.Generator().manual_seed(1)
    for place, own in enumerate(predictions):
        drawn = head.sample(own.expand(DRAWS, -1), generator)
        costs = [float(head.loss(each.expand(DRAWS, -1), drawn).mean()) for each in predictions]
        require(
            costs[place] <= min(costs) + 1e-6,
            f"draws from a prediction cost {costs[place]:.4g} under it, and {min(costs):.4g} under another: "
            "loss and sample do not belong together",
        )


@check
def check_saved_weights_give_the_same(case: HeadCase) -> None:
    """A second head with its weights gives the same."""
    head, other = case.make(), case.make(seed=1)
    other.load_state_dict(head.state_dict())
    hidden = torch.randn(5, case.input_size, dtype=torch.float64)
    require(torch.equal(head(hidden), other(hidden)), "another head with its weights gives something else")


def _require_targets(case: HeadCase, values: Tensor, what: str) -> None:
    require(values.shape == (3, 4), f"{what} has the shape {tuple(values.shape)}, not (3, 4)")
    if case.vocab_size is None:
        require(values.double().isfinite().all(), f"{what} is not finite")
    else:
        require(not values.is_floating_point(), f"{what} is {values.dtype}, not an id")
        require(((values >= 0) & (values < case.vocab_size)).all(), f"{what} is not in the vocabulary")
