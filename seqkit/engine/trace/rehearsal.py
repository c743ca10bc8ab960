"""A trial run of a step over fake tensors; anything that it must not do is refused, with its line.

Fake tensors have a shape, a dtype and a device, and no values: an attempt to read a value fails.
"""

from __future__ import annotations

import gc
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from seqkit.cells.base import Cell
from seqkit.engine.trace.attributes import attributes_of, changed
from seqkit.engine.trace.lines import calling_line, line_that_changes, step_line
from seqkit.engine.trace.refusal import RefusedError
from seqkit.errors import SeqkitError

_NUMBERS: Final = "it needs the value of a tensor in Python (to choose by values, use torch.where)"
_REFUSED: Final = {
    **dict.fromkeys(("item", "tolist", "__bool__", "__int__", "__float__", "__index__"), _NUMBERS),
    **dict.fromkeys(("__complex__", "is_nonzero", "equal", "allclose", "__contains__"), _NUMBERS),
    **dict.fromkeys(
        ("numpy", "__array__", "__dlpack__", "data_ptr"),
        "it leaves PyTorch, so no gradient can pass (use PyTorch's own functions)",
    ),
    **dict.fromkeys(
        ("register_hook", "register_post_accumulate_grad_hook", "retain_grad"), "it registers a hook"
    ),
    **dict.fromkeys(("backward", "requires_grad_", "grad"), "it computes gradients itself"),
}
_OWN_DERIVATIVE: Final = "it defines its own derivative (an autograd.Function)"

Result = tuple[Tensor, Any]


def rehearse(acting: Callable[[], Cell], step: Callable[[Cell], Result], inputs: Iterable[Tensor]) -> None:
    """Run the step once, and raise RefusedError for anything that cannot be traced.

    Args:
        acting: makes a stand-in, which may be written to.
        step: runs the step of the stand-in over fake tensors.
        inputs: all of these fake tensors, which the step must not write to.
    """
    cell = acting()
    _refuse_hooks(cell)
    refused: list[RefusedError] = []
    watch = _Watch(list(inputs), refused)
    before = attributes_of(cell, strict=True)
    try:
        with _quiet(), _no_collection(), watch, _Draws(refused):
            result = step(cell)
        if refused:  # the step has caught the error
            raise refused[0]
        if names := changed(before, attributes_of(cell, strict=True)):
            other = acting()
            place = line_that_changes(lambda: step(other), lambda: attributes_of(other, strict=True))
            name = names[0].lstrip(".")
            what = "an attribute of its class" if name.endswith("::type") else f"the attribute {name!r}"
            raise RefusedError(f"it sets {what} (keep such values in the state)", place)
        if _has_own_derivative(result):
            raise RefusedError(_OWN_DERIVATIVE)
    except SeqkitError:
        raise
    except Exception as error:
        place = getattr(error, "place", "") or step_line(error, deepest=False)
        raise RefusedError(_reason(error), place) from error


class _Watch(TorchFunctionMode):
    """Watches every PyTorch call that the step makes in Python."""

    def __init__(self, inputs: list[Tensor], refused: list[RefusedError]) -> None:
        super().__init__()
        self._inputs, self._refused = inputs, refused
        self._versions = [tensor._version for tensor in inputs]
        self._grad_enabled = torch.is_grad_enabled()

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if reason := self._reason_against(function):
            raise self._noted(reason)
        result = function(*args, **(kwargs or {}))
        if any(t._version != v for t, v in zip(self._inputs, self._versions, strict=True)):
            raise self._noted(
                "it writes to its input, its state, a weight or a buffer in place "
                "(use `h = h + x`, not `h += x`; use layer normalisation, not batch normalisation)"
            )
        return result

    def _reason_against(self, function: Any) -> str:
        name = getattr(function, "__name__", "")
        if name in _REFUSED:
            return _REFUSED[name]
        if function in (Tensor.data.__get__, Tensor.data.__set__):  # type: ignore[attr-defined]  # a C property
            return "it bypasses autograd with .data (use .detach())"
        if _in_own_function():
            return _OWN_DERIVATIVE
        if torch.is_grad_enabled() != self._grad_enabled:
            return "it switches gradients on or off (use .detach())"
        return ""

    def _noted(self, reason: str) -> RefusedError:
        """The refusal, recorded with its line: a step may catch an error that is raised within it."""
        self._refused.append(RefusedError(reason, calling_line()))
        return self._refused[-1]


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch has not typed it
    """Watches every operation, and refuses those that draw random numbers."""

    def __init__(self, refused: list[RefusedError]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self._refused = refused

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in function.tags and not _drops_nothing(function, args, kwargs):
            self._refused.append(RefusedError("it draws random numbers", calling_line()))
            raise self._refused[-1]
        return function(*args, **(kwargs or {}))


def _refuse_hooks(cell: nn.Module) -> None:
    """Raise RefusedError for hooks on gradients, which the graph of a step does not contain."""
    for path, module in cell.named_modules():
        if module._backward_hooks or module._backward_pre_hooks:
            where = f"the module {path!r}" if path else "the cell"
            raise RefusedError(f"{where} has a backward hook")


def _drops_nothing(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> bool:
    """Whether an operation with dropout has probability 0."""
    for argument, value in zip(function._schema.arguments, args, strict=False):
        if argument.name == "dropout_p":
            return bool(value == 0)
    has_one = any(argument.name == "dropout_p" for argument in function._schema.arguments)
    return has_one and (kwargs or {}).get("dropout_p", 0.0) == 0


def _in_own_function() -> bool:
    """Whether the call comes from the forward pass of an `autograd.Function`."""
    apply: Any = inspect.unwrap(torch.autograd.Function.apply.__func__)  # type: ignore[attr-defined]
    frame: Any = inspect.currentframe()
    while frame is not None:
        if frame.f_code is apply.__code__:
            return True
        frame = frame.f_back
    return False


def _has_own_derivative(result: Any) -> bool:
    """Whether an `autograd.Function`, or a backward hook of a module, is in the graph of the result."""
    # PyTorch's types do not say that a node of its graph may be of this class.
    written_by_hand: Any = torch.autograd.function.BackwardCFunction
    waiting: list[Any] = [leaf.grad_fn for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, written_by_hand):
            return True
        waiting.extend(after for after, _ in node.next_functions)
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, RefusedError):
        return error.reason
    fake = torch._subclasses.fake_tensor
    if isinstance(error, fake.DataDependentOutputException):
        return _NUMBERS
    if isinstance(error, fake.DynamicOutputShapeException):
        return "the shape of a result depends on the values of a tensor"
    text = str(error).split("\n", 1)[0]
    if "its data is not allocated yet" in text:
        return _NUMBERS
    if "FakeTensors first" in str(error):
        return "it reads a tensor that is neither a parameter nor a buffer (use register_buffer)"
    return f"it cannot be traced ({type(error).__name__}: {text[:160]})"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Disable garbage collection: a foreign generator that is closed inside may switch gradients on."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence PyTorch's traceback for a fake tensor that fails; the engine reports what failed."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
