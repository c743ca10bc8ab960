"""Checks of an encoder's contract."""

from __future__ import annotations

import torch
from torch import Tensor

from seqkit.testing.around import EncoderCase
from seqkit.testing.kit import CheckList, require

ENCODER_CHECKS: CheckList[EncoderCase] = CheckList()
check = ENCODER_CHECKS.check


@check
def check_config_fields_are_keywords(case: EncoderCase) -> None:
    """Every field of the config is a keyword of the constructor."""
    missing = case.missing_keywords()
    require(
        not missing,
        "every field of the config must be a keyword of the constructor, which lacks: "
        f"{', '.join(missing)}.\n  Add these parameters to __init__, or remove the fields from the config.",
    )


@check
def check_shapes(case: EncoderCase) -> None:
    """It returns `(batch, time, output_size)`, or the ids unchanged."""
    encoder, inputs = case.make(), case.inputs()
    outputs = encoder(inputs)
    if outputs.is_floating_point():
        expected = (*inputs.shape[:2], encoder.output_size)
        require(
            outputs.shape == expected,
            f"the output has the shape {tuple(outputs.shape)}, expected (batch, time, output_size) = "
            f"{expected}.\n  Return an output of this shape, or correct self.output_size.",
        )
        return
    require(
        torch.equal(outputs, inputs),
        "the encoder returns ids, but not those of the input.\n"
        "  Return the ids unchanged, or vectors of floating-point numbers.",
    )
    size = encoder.output_size
    require(
        size == case.input_size,
        f"an encoder that returns ids must have output_size = input_size = {case.input_size}, got {size}.\n"
        "  Set self.output_size = input_size in __init__.",
    )


@check
def check_rows_are_independent(case: EncoderCase) -> None:
    """The output of a row does not depend on other rows."""
    _require_apart(case, slice(1, None), slice(None), "row")


@check
def check_times_are_independent(case: EncoderCase) -> None:
    """The output of a position does not depend on other positions: only the cell has a memory."""
    _require_apart(case, slice(None), slice(2, None), "position")
    _require_apart(case, slice(None), slice(0, -1), "position")


@check
def check_input_is_not_changed(case: EncoderCase) -> None:
    """It does not change its input."""
    inputs = case.inputs()
    before = inputs.clone()
    case.make()(inputs)
    require(
        torch.equal(before, inputs),
        "the encoder changed its input in place; it must leave it unchanged.\n"
        "  Compute new tensors instead of using in-place operations.",
    )


@check
def check_gradients_are_finite(case: EncoderCase) -> None:
    """The gradient reaches every parameter, and is finite."""
    encoder = case.make()
    outputs = encoder(case.inputs())
    parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    if parameters:
        for gradient in torch.autograd.grad(outputs.sin().sum(), parameters, allow_unused=True):
            require(
                gradient is not None,
                "a parameter gets no gradient; every trained one must get one.\n"
                "  Use it in forward, or set requires_grad = False.",
            )
            require(
                gradient.isfinite().all(),
                "a parameter gets a gradient that is not finite.\n"
                "  Look in forward for divisions by zero, roots or logarithms of zero, and overflows.",
            )


@check
def check_saved_weights_give_the_same(case: EncoderCase) -> None:
    """A second encoder that loads its weights gives the same output."""
    encoder, other, inputs = case.make(), case.make(seed=1), case.inputs()
    other.load_state_dict(encoder.state_dict())
    require(
        torch.equal(encoder(inputs), other(inputs)),
        "a second encoder that loads the same state_dict must give the same output, but it differs.\n"
        "  Keep every tensor that forward uses in a parameter or a buffer.",
    )


def _require_apart(case: EncoderCase, rows: slice, times: slice, what: str) -> None:
    """Change some positions; the outputs of the others must stay the same."""
    encoder, inputs = case.make().eval(), case.inputs()
    changed, elsewhere = inputs.clone(), torch.ones(inputs.shape[:2], dtype=torch.bool)
    changed[rows, times] = case.inputs(seed=5)[rows, times]
    elsewhere[rows, times] = False
    before: Tensor = encoder(inputs)[elsewhere]
    require(
        torch.equal(before, encoder(changed)[elsewhere]),
        f"a change of one {what} changes the output of another.\n"
        "  Compute the output at each row and position from the input there alone.",
    )
