"""Checks of a head's contract."""

from __future__ import annotations

import torch
from torch import Tensor

from seqkit.testing.around import HeadCase
from seqkit.testing.kit import CheckList, require

HEAD_CHECKS: CheckList[HeadCase] = CheckList()
check = HEAD_CHECKS.check

DRAWS = 4000
"""Draws from one prediction: enough to distinguish it from another by the mean loss."""


@check
def check_config_fields_are_keywords(case: HeadCase) -> None:
    """Every field of the config is a keyword of the constructor."""
    missing = case.missing_keywords()
    require(
        not missing,
        "every field of the config must be a keyword of the constructor, which lacks: "
        f"{', '.join(missing)}.\n  Add these parameters to __init__, or remove the fields from the config.",
    )


@check
def check_shapes(case: HeadCase) -> None:
    """It returns `(..., output_size)` for `(..., hidden)`."""
    head = case.make()
    for shape in ((3, 4), (5,), ()):
        outputs = head(torch.randn(*shape, case.input_size, dtype=torch.float64))
        expected = (*shape, head.output_size)
        require(
            outputs.shape == expected,
            f"the output has the shape {tuple(outputs.shape)}, expected {expected}.\n"
            "  Return (..., output_size) from forward, or correct self.output_size.",
        )


@check
def check_loss_is_one_number_each(case: HeadCase) -> None:
    """The loss of `(N, output_size)` and N targets is N finite numbers."""
    head = case.make()
    losses = head.loss(case.outputs(head, 7), case.targets(7))
    require(
        losses.shape == (7,),
        f"the loss of 7 predictions has the shape {tuple(losses.shape)}, expected (7,).\n"
        "  Return one loss for each prediction, without a mean or a sum over them.",
    )
    require(
        losses.isfinite().all(),
        "a loss is not finite; it must be, for any prediction and any valid target.\n"
        "  Look in loss for logarithms of zero, divisions by zero and overflows.",
    )


@check
def check_rows_are_independent(case: HeadCase) -> None:
    """The loss of a row does not depend on other rows."""
    head = case.make()
    outputs, targets = case.outputs(head, 7), case.targets(7)
    alone = torch.cat([head.loss(outputs[row : row + 1], targets[row : row + 1]) for row in range(7)])
    require(
        torch.allclose(head.loss(outputs, targets), alone),
        "a row has another loss alone than together with other rows; it must be the same.\n"
        "  Compute the loss of each row from its own prediction and target alone.",
    )


@check
def check_loss_is_differentiable(case: HeadCase) -> None:
    """The gradient of the loss reaches the outputs, and is finite."""
    head = case.make()
    outputs = case.outputs(head, 7).requires_grad_()
    losses = head.loss(outputs, case.targets(7))
    require(
        losses.requires_grad,
        "the loss must be differentiable by the predictions, but it has no gradient.\n"
        "  Compute it from them with torch operations, without detach or torch.no_grad.",
    )
    (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    require(
        gradient.isfinite().all(),
        "a gradient of the loss is not finite; all must be.\n"
        "  Look in loss for roots and logarithms of zero, divisions by zero and overflows.",
    )
    require(
        (gradient != 0).any(),
        "every gradient of the loss is 0, so nothing can be learned; some must not be 0.\n"
        "  Avoid operations in loss whose gradient is always 0, such as rounding.",
    )


@check
def check_samples_are_targets(case: HeadCase) -> None:
    """A draw is a valid target: an id of the vocabulary, or a finite number; one for each prediction."""
    head = case.make()
    outputs = case.outputs(head, 12).view(3, 4, -1)
    _require_targets(case, head.sample(outputs, torch.Generator().manual_seed(0)), "a draw")


@check
def check_prediction_is_a_target(case: HeadCase) -> None:
    """`predict` returns valid targets, one for each prediction."""
    head = case.make()
    _require_targets(case, head.predict(case.outputs(head, 12).view(3, 4, -1)), "a prediction")


@check
def check_draws_follow_the_generator(case: HeadCase) -> None:
    """The same generator gives the same draws, and the global random stream does not change."""
    head = case.make()
    outputs = case.outputs(head, 20)
    before = torch.get_rng_state()
    first, second = (head.sample(outputs, torch.Generator().manual_seed(3)) for _ in range(2))
    require(
        torch.equal(first, second),
        "two generators with the same seed must give the same draws, but they differ.\n"
        "  Draw all random numbers in sample from the generator that it is given.",
    )
    require(
        torch.equal(before, torch.get_rng_state()),
        "a draw changes torch's global random stream, which must stay the same.\n"
        "  Draw all random numbers in sample from the generator that it is given.",
    )


@check
def check_own_samples_cost_least(case: HeadCase) -> None:
    """Draws from a prediction have a lower mean loss under it than under any other prediction."""
    head = case.make()
    predictions = case.outputs(head, 4)
    generator = torch.Generator().manual_seed(1)
    for place, own in enumerate(predictions):
        drawn = head.sample(own.expand(DRAWS, -1), generator)
        costs = [float(head.loss(each.expand(DRAWS, -1), drawn).mean()) for each in predictions]
        require(
            costs[place] <= min(costs) + 1e-6,
            f"draws from a prediction have a mean loss of {costs[place]:.4g} under it, and of "
            f"{min(costs):.4g} under another one; their own must be the lowest.\n"
            "  Make sample draw from the distribution whose negative log-likelihood loss computes.",
        )


@check
def check_saved_weights_give_the_same(case: HeadCase) -> None:
    """A second head that loads its weights gives the same output."""
    head, other = case.make(), case.make(seed=1)
    other.load_state_dict(head.state_dict())
    hidden = torch.randn(5, case.input_size, dtype=torch.float64)
    require(
        torch.equal(head(hidden), other(hidden)),
        "a second head that loads the same state_dict must give the same output, but it differs.\n"
        "  Keep every tensor that forward uses in a parameter or a buffer.",
    )


def _require_targets(case: HeadCase, values: Tensor, what: str) -> None:
    require(
        values.shape == (3, 4),
        f"{what} for outputs (3, 4, output_size) has the shape {tuple(values.shape)}, expected (3, 4).\n"
        "  Return one value for each output.",
    )
    if case.vocab_size is None:
        require(
            values.double().isfinite().all(),
            f"{what} is not finite; it must be.\n  Look for divisions by zero and overflows.",
        )
    else:
        require(
            not values.is_floating_point(),
            f"{what} has the dtype {values.dtype}, expected an integer id.\n"
            "  For a head that predicts numbers, set HeadCase(..., numbers=True).",
        )
        require(
            ((values >= 0) & (values < case.vocab_size)).all(),
            f"{what} is not in the vocabulary; an id must be from 0 to the vocabulary size minus 1.\n"
            "  The vocabulary size is the second argument of the constructor.",
        )
