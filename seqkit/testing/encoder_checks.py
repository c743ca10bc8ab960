"""What the contract of an encoder says, check by check."""

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
    require(not missing, f"the constructor has no keyword {', '.join(missing)}")


@check
def check_shapes(case: EncoderCase) -> None:
    """It gives `(batch, time, output_size)`, or ids as they are."""
    encoder, inputs = case.make(), case.inputs()
    outputs = encoder(inputs)
    if outputs.is_floating_point():
        expected = (*inputs.shape[:2], encoder.output_size)
        require(outputs.shape == expected, f"it gives {tuple(outputs.shape)}, not {expected}")
        return
    require(torch.equal(outputs, inputs), "it gives ids that are not those of the input")
    size = encoder.output_size
    require(size == case.input_size, f"ids stand for rows of {case.input_size}, and output_size is {size}")


@check
def check_rows_are_independent(case: EncoderCase) -> None:
    """What a row becomes does not depend on the others."""
    _require_apart(case, slice(1, None), slice(None), "row")


@check
def check_times_are_independent(case: EncoderCase) -> None:
    """What a position becomes does not depend on the others: the cell alone remembers."""
    _require_apart(case, slice(None), slice(2, None), "position")
    _require_apart(case, slice(None), slice(0, -1), "position")


@check
def check_input_is_not_changed(case: EncoderCase) -> None:
    """It does not write over its input."""
    inputs = case.inputs()
    before = inputs.clone()
    case.make()(inputs)
    require(torch.equal(before, inputs), "it wrote over its input")


@check
def check_gradients_are_finite(case: EncoderCase) -> None:
    """The gradient reaches every parameter, and is finite."""
    encoder = case.make()
    outputs = encoder(case.inputs())
    parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    if parameters:
        for gradient in torch.autograd.grad(outputs.sin().sum(), parameters, allow_unused=True):
            require(gradient is not None, "a parameter has no gradient")
            require(gradient.isfinite().all(), "a gradient is not finite")


@check
def check_saved_weights_give_the_same(case: EncoderCase) -> None:
    """A second encoder with its weights gives the same."""
    encoder, other, inputs = case.make(), case.make(seed=1), case.inputs()
    other.load_state_dict(encoder.state_dict())
    require(torch.equal(encoder(inputs), other(inputs)), "another encoder with its weights gives another row")


def _require_apart(case: EncoderCase, rows: slice, times: slice, what: str) -> None:
    """Change some positions; the others have to stay as they were."""
    encoder, inputs = case.make().eval(), case.inputs()
    changed, elsewhere = inputs.clone(), torch.ones(inputs.shape[:2], dtype=torch.bool)
    changed[rows, times] = case.inputs(seed=5)[rows, times]
    elsewhere[rows, times] = False
    before: Tensor = encoder(inputs)[elsewhere]
    require(torch.equal(before, encoder(changed)[elsewhere]), f"one {what} shows in another")
