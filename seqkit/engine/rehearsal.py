"""A step is run once over fake tensors, under watch: what it must not do is told with its line.

Fake tensors have a shape, a dtype and a device, and no numbers: whoever asks them for a number fails.
"""

from __future__ import annotations

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
from seqkit.engine.attributes import Snapshot
from seqkit.engine.contract import step_line
from seqkit.errors import SeqkitError, SplitError

_NUMBERS: Final = "it needs the value of a tensor in Python"
_REFUSED: Final = {
    **dict.fromkeys(("item", "tolist", "__bool__", "__int__", "__float__", "__index__"), _NUMBERS),
    **dict.fromkeys(("__complex__", "is_nonzero", "equal", "allclose", "__contains__"), _NUMBERS),
    **dict.fromkeys(("numpy", "__array__", "__dlpack__", "data_ptr"), "it leaves PyTorch"),
    **dict.fromkeys(
        ("register_hook", "register_post_accumulate_grad_hook", "retain_grad"), "it registers a hook"
    ),
    **dict.fromkeys(("backward", "requires_grad_", "grad"), "it computes gradients itself"),
}

Result = tuple[Tensor, Any]


class _RefusedError(Exception):
    """Raised in the midst of a step that must not be split."""


def rehearse(cell: Cell, step: Callable[[], Result], inputs: Iterable[Tensor]) -> None:
    """Run the step once and raise SplitError for what no trace can hold.

    Args:
        cell: whose step it is; its attributes are put back afterwards.
        step: runs it over fake tensors.
        inputs: those fake tensors, all of them: what the step must not write to.
    """
    snapshot = Snapshot(cell)
    watch = _Watch(list(inputs))
    try:
        with _quiet(), watch, _Draws():  # type: ignore[no-untyped-call]  # PyTorch has not typed it
            result = step()
        if name := snapshot.written():
            raise SplitError(_message(cell, f"it sets the attribute {name!r}", None))
        if _has_own_derivative(result):
            raise SplitError(_message(cell, "it has a derivative of its own (an autograd.Function)", None))
    except SeqkitError:
        raise
    except Exception as error:
        raise SplitError(_message(cell, _reason(error), error)) from error
    finally:
        snapshot.restore()


class _Watch(TorchFunctionMode):
    """Sees every call that the step makes in Python."""

    def __init__(self, inputs: list[Tensor]) -> None:
        super().__init__()
        self._inputs = inputs
        self._versions = [tensor._version for tensor in inputs]
        self._grad_enabled = torch.is_grad_enabled()

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        if name in _REFUSED:
            raise _RefusedError(_REFUSED[name])
        if function in (Tensor.data.__get__, Tensor.data.__set__):  # type: ignore[attr-defined]  # a C property
            raise _RefusedError("it goes around autograd with .data (use .detach())")
        if _in_own_function():
            raise _RefusedError("it has a derivative of its own (an autograd.Function)")
        if torch.is_grad_enabled() != self._grad_enabled:
            raise _RefusedError("it switches gradients on or off inside (use .detach())")
        result = function(*args, **(kwargs or {}))
        if any(t._version != v for t, v in zip(self._inputs, self._versions, strict=True)):
            raise _RefusedError(
                "it writes to its input, its state or a weight in place (not `h += x`, but `h = h + x`)"
            )
        return result


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]  # likewise
    """Sees every operation, and refuses those that draw random numbers."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in function.tags:
            raise _RefusedError("it draws random numbers")
        return function(*args, **(kwargs or {}))


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
    """Whether an `autograd.Function`, or a backward hook of a module, lies on the way to the result."""
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
    if isinstance(error, _RefusedError):
        return str(error)
    fake = torch._subclasses.fake_tensor
    if isinstance(error, fake.DataDependentOutputException):
        return _NUMBERS
    if isinstance(error, fake.DynamicOutputShapeException):
        return "the shape of a result depends on the numbers in it"
    text = str(error).split("\n", 1)[0]
    if "FakeTensors first" in str(error):
        return "it reads a tensor that is no parameter and no buffer (use register_buffer)"
    return f"it cannot be traced ({type(error).__name__}: {text[:160]})"


def _message(cell: nn.Module, reason: str, error: Exception | None) -> str:
    """The reason, and the innermost line of it that is not PyTorch's or seqkit's engine's."""
    place = "" if error is None else step_line(error, deepest=False)
    return f"the step of {type(cell).__name__} cannot be split: {reason}.{place}"


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch logs a traceback where a fake tensor fails; what failed is told by the engine."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
