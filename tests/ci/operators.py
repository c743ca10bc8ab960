"""Every differentiable operator of PyTorch, the forms in which it is tried, and how each form ends.

The operators and their arguments come from the database that PyTorch's own tests use.
"""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from torch.testing._internal import common_methods_invocations as invocations
from torch.testing._internal.opinfo.core import OpInfo, SampleInput

from seqkit.errors import SplitError
from tests.ci.operator_cells import OperatorCell, UntriedError, build, inputs, tensors_of
from tests.engine.comparing import everything

OPERATORS: Final[dict[str, OpInfo]] = {
    info.full_name: info
    for info in invocations.op_db
    if info.supports_autograd and info.supports_dtype(torch.float64, "cpu")
}
"""The operators by name, with the variant if an operator has several."""

_MOST_NUMBERS: Final = 150
_MOST_DRAWN: Final = 100
_MOST_BUILT: Final = 12
_TOLERANCE: Final = {"bfloat16": 3e-2, "half": 2e-3, "chalf": 2e-3, "float": 1e-6, "cfloat": 1e-6}
"""Tolerances of operators whose results have fewer digits; that of all others is 1e-7."""


@dataclass(frozen=True)
class Outcome:
    """How one form of one operator ended.

    Attributes:
        kind: "equal", "refused", "wrong", "raised" or "not tried".
        reason: why it was refused or not tried, or what differs.
    """

    kind: str
    reason: str = ""


def outcomes_of(info: OpInfo, *, every_form: bool) -> Iterator[tuple[str, Outcome]]:
    """Name and outcome of each form in which the operator is tried; without `every_form`, of most of them."""
    takes_complex = torch.complex128 in info.supported_backward_dtypes("cpu")
    for dtype in (torch.float64, torch.complex128) if takes_complex else (torch.float64,):
        kind = "complex" if dtype.is_complex else "real"
        try:
            first, second = samples_of(info, dtype)
        except UntriedError as error:
            yield kind, Outcome("not tried", str(error))
            continue
        forms = {"plain": partial(build, info, first, "plain"), "gate": partial(build, info, first, "gate")}
        if every_form and not dtype.is_complex:
            forms["twice"] = partial(build, info, second, "twice")
            forms["gate, row by row"] = partial(build, info, second, "gate", row_by_row=True)
        for form, make in forms.items():
            yield f"{kind} {form}", outcome_of(make)


def samples_of(info: OpInfo, dtype: torch.dtype) -> tuple[SampleInput, SampleInput]:
    """The first sample around which a cell can be built, and another one; the same if there is only one.

    Small ones of more than a single number are preferred, and for dropout those that drop half of them.

    Raises:
        UntriedError: there is no such sample.
    """
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    drawn = itertools.islice(info.sample_inputs("cpu", dtype, requires_grad=True), _MOST_DRAWN)
    samples = [sample for sample in drawn if _size(sample)]
    del drawn
    gc.collect(1)  # an unfinished generator turns gradients on when it is collected
    if not samples:
        raise UntriedError("no sample has a dense tensor with a gradient")
    first, *others = sorted(samples, key=lambda sample: (not _drops_out(sample), not _is_small(sample)))
    random.Random(info.full_name).shuffle(others)
    others.sort(key=lambda sample: not _is_small(sample))
    found, reasons = [], []
    for sample in [first, *others][:_MOST_BUILT]:
        try:
            build(info, sample, "plain")
        except UntriedError as error:
            reasons.append(str(error))
            continue
        found.append(sample)
        if len(found) == 2:
            break
    if not found:
        raise UntriedError(reasons[0])
    return found[0], found[-1]


def _drops_out(sample: SampleInput) -> bool:
    return sample.kwargs.get("training") is True and sample.kwargs.get("p") == 0.5


def _is_small(sample: SampleInput) -> bool:
    return 1 < _size(sample) <= _MOST_NUMBERS


def _size(sample: SampleInput) -> int:
    """Number of numbers that take a gradient; 0 if no cell can be built around the sample."""
    tensors = tensors_of(sample)
    if any(tensor.layout != torch.strided or not tensor.numel() for tensor in tensors):
        return 0
    return sum(tensor.numel() for tensor in tensors if tensor.requires_grad)


def outcome_of(make: Callable[[], OperatorCell]) -> Outcome:
    """Compare both engines on a cell; with a gate, first while it is closed, then open with other weights."""
    try:
        cell = make()
    except UntriedError as error:
        return Outcome("not tried", str(error))
    cell.tolerance = _TOLERANCE.get(cell.operator, 1e-7)
    outcome = _compared(cell)
    if cell.form != "gate" or outcome.kind != "equal":
        return outcome
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in cell.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        cell.alpha.fill_(0.7)
    outcome = _compared(cell)
    return (
        outcome
        if outcome.kind == "equal"
        else Outcome(outcome.kind, f"once the gate is open: {outcome.reason}")
    )


def _compared(cell: OperatorCell) -> Outcome:
    loop = everything(cell, **inputs(), engine="loop")
    if not all(bool(tensor.isfinite().all()) for part in loop for tensor in part):
        return Outcome("not tried", "its loop gives numbers that are not finite")
    try:
        fused = everything(cell, **inputs(), engine="fused")
    except SplitError as error:
        return Outcome("refused", _reason(error))
    except Exception as error:  # a failure of the engine
        return Outcome("raised", f"{type(error).__name__}: {str(error).strip()}".split("\n", 1)[0])
    ours, theirs = [*fused[0], *fused[1]], [*loop[0], *loop[1]]
    starts = ["x", "state", *(name for name, _ in cell.named_parameters())]
    names = ["output", "state", *(f"gradient of {start}" for start in starts)]
    largest = max(float(tensor.abs().max()) for tensor in theirs)
    for name, one, other in zip(names, ours, theirs, strict=True):
        size, difference = float(other.abs().max()), float((one - other).abs().max())
        if not difference <= cell.tolerance * (size + 1e-2 * largest):
            return Outcome("wrong", f"its {name} differs by {difference:.1e} of {size:.1e}")
    return Outcome("equal")


def _reason(error: SplitError) -> str:
    """The reason of a refusal, without the name of the cell, the line of the step and the remedy."""
    text = str(error).split("\n", 1)[0]
    return (text.partition("cannot be split: ")[2] or text).rstrip(".")
