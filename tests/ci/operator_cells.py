"""A cell around one operator of PyTorch: a plain step whose state goes through the operator."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.testing._internal import common_methods_invocations as invocations
from torch.testing._internal.opinfo.core import OpInfo, SampleInput
from torch.utils import _pytree as pytree

from seqkit import Cell
from tests.engine.comparing import everything

BATCH, TIME, INPUT, HIDDEN = 2, 4, 2, 3

Call = Callable[[list[Tensor]], Any]
"""An operator as a function of the tensors of a sample."""

_SEEDED: Final = invocations.wrapper_set_seed


def _unseeded(operator: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return operator(*args, **kwargs)


# The database sets the seed before each operator that draws random numbers; a user's step does not.
invocations.wrapper_set_seed = _unseeded


class UntriedError(Exception):
    """No cell can be built around the operator, or its step does not run in the loop."""


class OperatorCell(Cell):
    """h' = tanh(i2h(x) + h2h(h) + mix(operator(value of h, ...))); the rows of the batch stay independent.

    Args:
        info: the operator.
        sample: its arguments. Each tensor that takes a gradient becomes a value near the sample's: the first
            depends on the state, the others on the input, on a weight, on the state, and so on.
        form: "plain"; "gate", which multiplies the operator's result by a parameter that is 0; or
            "twice", which applies the operator several times to equal values.
        inside: whether values stay between the sample's smallest and largest number, for operators with a
            domain; a single number changes in any case.
        shared: only the first value depends on the state, and all others are weights without a batch.
    """

    def __init__(
        self, info: OpInfo, sample: SampleInput, form: str, *, inside: bool = False, shared: bool = False
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = INPUT, HIDDEN, HIDDEN
        self.form, self.inside, self.shared = form, inside, shared
        self.operator, self.tolerance = info.full_name, 0.0
        self.call = call_of(info, sample)
        self.call_on_batch: Call | None = None
        tensors = tensors_of(sample)
        self.sources = _sources(tensors, shared=shared)
        generator = torch.Generator().manual_seed(1)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        self.i2h, self.h2h = nn.Parameter(normal(INPUT, HIDDEN)), nn.Parameter(normal(HIDDEN, HIDDEN) / 2)
        self.alpha = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.to_value = nn.ParameterDict()
        for index, (tensor, source) in enumerate(zip(tensors, self.sources, strict=True)):
            self.register_buffer(f"sample_{index}", tensor.detach().clone())
            if source != "sample":
                numbers = tensor.numel() * (2 if tensor.is_complex() else 1)
                width = {"h": (HIDDEN,), "x": (INPUT,), "weight": ()}[source]
                self.to_value[str(index)] = nn.Parameter(normal(*width, numbers))
        with torch.no_grad():
            numbers_at_sample = _numbers([result[None] for result in _results(self.call(self.samples()))])
        if not numbers_at_sample.numel():
            raise UntriedError("its result is empty")
        features = numbers_at_sample.shape[1]
        self.register_buffer("scale", 1 / (1 + numbers_at_sample.abs().amax(0)))
        self.register_buffer("mix", normal(features, HIDDEN) / features**0.5)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        values = self.values(x, state)
        features = self.features(values)
        if self.form == "gate":
            features = self.alpha * features
        if self.form == "twice":
            equal = self.features([_equal_to(value) for value in values])
            features = features + 2 * equal + features * self.features(values)
        state = torch.tanh(x @ self.i2h + state @ self.h2h + features @ self.get_buffer("mix"))
        return state, state

    def samples(self) -> list[Tensor]:
        return [self.get_buffer(f"sample_{index}") for index in range(len(self.sources))]

    def values(self, x: Tensor, state: Tensor) -> list[Tensor]:
        """Arguments of the operator: `(batch, *shape)` if they vary with the row, else `shape`."""
        values = self.samples()
        for index, source in enumerate(self.sources):
            if source == "sample":
                continue
            sample, weight = values[index], self.to_value[str(index)]
            moved = weight if source == "weight" else {"h": state, "x": x}[source] @ weight
            shape = (*moved.shape[:-1], *sample.shape)
            if sample.is_complex():
                moved = torch.complex(*moved.chunk(2, dim=-1))
            if self.inside and sample.numel() > 1:
                part = 0.1 + 0.1 * torch.tanh(moved.real if sample.is_complex() else moved)
                values[index] = sample + part.view(shape) * (sample.mean() - sample)
            else:
                values[index] = sample + 0.1 * torch.tanh(moved).view(shape)
        return values

    def features(self, values: list[Tensor]) -> Tensor:
        """The operator's results as real numbers of about 1, `(batch, features)`."""
        results = (
            self.row_by_row(values) if self.call_on_batch is None else _results(self.call_on_batch(values))
        )
        return _numbers(results) * self.get_buffer("scale")

    def row_by_row(self, values: list[Tensor]) -> list[Tensor]:
        rows = [
            value.unbind(0) if source in ("h", "x") else itertools.repeat(value)
            for value, source in zip(values, self.sources, strict=True)
        ]
        results = [_results(self.call(list(row))) for row in zip(*rows, strict=False)]
        return [torch.stack(leaves) for leaves in zip(*results, strict=True)]

    def call_once_for_all_rows(self, info: OpInfo, sample: SampleInput) -> bool:
        """Let the step call the operator on the whole batch; False if no such call gives the same rows."""
        generator = torch.Generator().manual_seed(2)
        x = torch.randn(BATCH, INPUT, generator=generator, dtype=torch.float64)
        state = torch.randn(BATCH, HIDDEN, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            batches = [self.values(x[:rows], state[:rows]) for rows in (BATCH, 1)]
            expected = [self.row_by_row(values) for values in batches]
            for repeats, shifted in itertools.product((True, False), (False, True)):
                call = call_of(info, sample, shifted=shifted)
                if repeats:
                    call = partial(_call_with_rows, call, self.sources)
                try:
                    found = [_results(call(values)) for values in batches]
                except Exception:  # any error of an operator that does not support a batch
                    continue
                if all(map(_same, found, expected)):
                    self.call_on_batch = call
                    return True
        return False

    def is_finite_in_the_loop(self) -> bool:
        results, gradients = everything(self, **inputs(), engine="loop")
        return all(bool(tensor.isfinite().all()) for tensor in [*results, *gradients])


def build(info: OpInfo, sample: SampleInput, form: str, *, row_by_row: bool = False) -> OperatorCell:
    """A cell whose loop gives finite numbers; it calls the operator once for all rows, if that is possible.

    Raises:
        UntriedError: there is no such cell.
    """
    reason = ""
    for inside in _ways_of_staying(info):
        try:
            cell = OperatorCell(info, sample, form, inside=inside)
            if not cell.is_finite_in_the_loop():
                reason = "its loop gives numbers that are not finite"
                continue
            if row_by_row or cell.call_once_for_all_rows(info, sample):
                return cell
            shared = OperatorCell(info, sample, form, inside=inside, shared=True)
            is_shared = shared.call_once_for_all_rows(info, sample) and shared.is_finite_in_the_loop()
            return shared if is_shared else cell
        except UntriedError:
            raise
        except Exception as error:  # any error of an operator
            reason = f"its loop fails: {str(error).strip()}"
    raise UntriedError(reason.split("\n", 1)[0])


def _ways_of_staying(info: OpInfo) -> tuple[bool, bool]:
    """Whether values stay inside the sample's range: first the setting to try first, then the other."""
    has_domain = getattr(info, "domain", (None, None)) != (None, None)
    return has_domain, not has_domain


def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(BATCH, TIME, INPUT, generator=generator, dtype=torch.float64)
    state = torch.randn(BATCH, HIDDEN, generator=generator, dtype=torch.float64)
    return {"x": x.requires_grad_(), "state": state.requires_grad_()}


def tensors_of(sample: SampleInput) -> list[Tensor]:
    leaves = pytree.tree_leaves((sample.input, sample.args, sample.kwargs))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def call_of(info: OpInfo, sample: SampleInput, *, shifted: bool = False) -> Call:
    """The operator as a function of the tensors of a sample; whole numbers are one larger if `shifted`.

    With this shift, a dimension of a row becomes the same dimension of the batch.
    """
    leaves, structure = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
    if shifted:
        leaves = [leaf + 1 if type(leaf) is int and leaf >= 0 else leaf for leaf in leaves]
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
    # PyTorch's wrapper, for instance, makes a matrix symmetric.
    wrapper: Any = _unseeded if info.gradcheck_wrapper is _SEEDED else info.gradcheck_wrapper
    process: Any = (
        sample.output_process_fn_grad
    )  # keeps, for instance, only the unique part of a decomposition

    def call(tensors: list[Tensor]) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        first, args, kwargs = pytree.tree_unflatten(filled, structure)
        return process(wrapper(info.op, first, *args, **kwargs))

    return call


def _sources(tensors: list[Tensor], *, shared: bool) -> list[str]:
    """What the value that replaces each tensor depends on: "h", "x", "weight", or "sample" for nothing."""
    cycle = (
        itertools.chain("h", itertools.repeat("weight")) if shared else itertools.cycle(("h", "x", "weight"))
    )
    return [next(cycle) if tensor.requires_grad else "sample" for tensor in tensors]


def _call_with_rows(call: Call, sources: list[str], values: list[Tensor]) -> Any:
    """The operator's result if each value has a row for each row of the batch."""
    batch_size = len(values[sources.index("h")])
    pairs = zip(values, sources, strict=True)
    return call(
        [
            value if source in ("h", "x") else value.repeat(batch_size, *[1] * value.ndim)
            for value, source in pairs
        ]
    )


def _equal_to(value: Tensor) -> Tensor:
    return value * 1.0 if value.is_floating_point() or value.is_complex() else value


def _results(result: Any) -> list[Tensor]:
    """The tensors of a result that can have a gradient."""
    leaves = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
    found = [leaf for leaf in leaves if leaf.is_floating_point() or leaf.is_complex()]
    if not found or any(leaf.layout != torch.strided for leaf in found):
        raise UntriedError("its result is not a dense tensor of real or complex numbers")
    return found


def _numbers(results: list[Tensor]) -> Tensor:
    """All numbers of the results in double precision, `(batch, features)`."""
    flat = [result.reshape(len(result), -1) for result in results]
    real = [part for each in flat for part in ((each.real, each.imag) if each.is_complex() else (each,))]
    return torch.cat([part.double() for part in real], dim=1)


def _same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(
        one.shape == other.shape and torch.allclose(one, other, equal_nan=True)
        for one, other in zip(found, expected, strict=True)
    )
