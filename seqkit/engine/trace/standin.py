"""A stand-in for a cell: the same step on other tensors, without changing the cell.

    cell                         stand-in
    ├ i2h ─ weight               ├ i2h ─ weight'      fake, perturbed, or computed from parameters
    ├ cfg ─ slope                ├ cfg ─ slope        a copy: what a step writes here is detected
    └ act = lambda: self...      └ act = lambda: self'...

Other threads can use the cell meanwhile.
"""

from __future__ import annotations

import copy
import enum
import functools
import types
import weakref
from collections import deque
from contextlib import suppress
from typing import Any, Final, TypeVar

import numpy as np
from torch import Tensor, nn
from torch.nn.utils import parametrize

from seqkit.engine.trace.attributes import MOST_DEPTH
from seqkit.engine.trace.code import is_library_function, is_of_a_library
from seqkit.engine.trace.objects import BY_IDENTITY, BY_VALUE, attribute_items, has_attributes
from seqkit.engine.trace.refusal import RefusedError
from seqkit.engine.trace.weights import Weights

M = TypeVar("M", bound=nn.Module)

_SHARED: Final = (
    *(int, float, bool, str, bytes, complex, types.NoneType, types.EllipsisType, range, enum.Enum),
    *(*BY_VALUE, *BY_IDENTITY, Tensor, type, types.ModuleType, weakref.ref),
)
"""Types that are not copied: a step cannot write to them, or the whole program shares them."""


def stand_in(cell: M, weights: Weights, *, strict: bool = False) -> M:
    """A copy of the cell, its modules and what their attributes hold, which computes with these tensors.

    Args:
        cell: the cell, which is not changed.
        weights: by the names of `weights_of`. A parametrised weight is a plain tensor in the copy.
        strict: whether an object that cannot be copied is refused; else the copy shares it.
    Raises:
        RefusedError: there is such an object.
    """
    known: dict[int, Any] = {}
    for name, tensor in [*cell.named_parameters(), *cell.named_buffers()]:
        if name in weights:
            known[id(tensor)] = weights[name]
    computed: dict[int, dict[str, Tensor]] = {}
    for path, module in cell.named_modules():
        if parametrize.is_parametrized(module):
            names = list(module.parametrizations)
            computed[id(module)] = {name: weights[f"{path}::{name}"] for name in names}
    twin: M = _Copier(known, computed, strict).of_module(cell)
    return twin


class _Copier:
    """Copies what is reachable, each object once."""

    def __init__(self, known: dict[int, Any], computed: dict[int, dict[str, Tensor]], strict: bool) -> None:
        self._known, self._computed, self._strict = known, computed, strict

    def of_module(self, module: nn.Module) -> Any:
        """A module with copies of all that it holds; it is registered first, since these may refer to it."""
        computed = self._computed.get(id(module))
        twin = object.__new__(type(module))
        self._known[id(module)] = twin
        for name, value in module.__dict__.items():
            twin.__dict__[name] = self.of(value, 0)
        if computed is not None:
            twin.__class__ = parametrize.type_before_parametrizations(module)
            del twin.__dict__["_modules"]["parametrizations"]
            twin.__dict__["_buffers"].update(computed)
        return twin

    def of(self, value: Any, depth: int) -> Any:
        """A copy, or the value itself if nothing in it can be written to."""
        if id(value) in self._known:
            return self._known[id(value)]
        if isinstance(value, nn.Module):
            return self.of_module(value)
        if depth > MOST_DEPTH or isinstance(value, _SHARED) or is_library_function(value):
            return value
        self._known[id(value)] = value  # if it contains itself
        twin = self._made(value, depth + 1)
        self._known[id(value)] = twin
        return twin

    def _made(self, value: Any, depth: int) -> Any:
        if isinstance(value, types.FunctionType):
            return self._of_function(value, depth)
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self.of(value.__self__, depth))
        if isinstance(value, types.BuiltinFunctionType):
            owner = value.__self__
            is_bound = owner is not None and not isinstance(owner, types.ModuleType | type)
            return getattr(self.of(owner, depth), value.__name__) if is_bound else value
        if isinstance(value, functools.partial):
            args = [self.of(arg, depth) for arg in value.args]
            options = {name: self.of(arg, depth) for name, arg in value.keywords.items()}
            return functools.partial(self.of(value.func, depth), *args, **options)
        if isinstance(value, tuple):
            items = [self.of(item, depth) for item in value]
            if all(a is b for a, b in zip(items, value, strict=True)):
                return value
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        if isinstance(value, np.ndarray):
            return value.copy()
        is_container = isinstance(value, list | dict | set | deque)
        if not (is_container or attribute_items(value) or has_attributes(value)):
            return value
        return self._of_object(value, depth)

    def _of_object(self, value: Any, depth: int) -> Any:
        """A shallow copy, filled with copies."""
        twin = None if hasattr(value, "__del__") else _shallow(value)
        if twin is None or twin is value:
            if self._strict:
                raise RefusedError(f"it holds a {type(value).__name__}, which cannot be copied")
            return value
        self._known[id(value)] = twin
        if isinstance(twin, list | deque):
            for index, item in enumerate(twin):
                twin[index] = self.of(item, depth)
        elif isinstance(twin, dict):
            for key, item in list(twin.items()):
                twin[key] = self.of(item, depth)
        elif isinstance(twin, set):
            items = [self.of(item, depth) for item in twin]
            twin.clear()
            twin.update(items)
        for name, item in attribute_items(value):
            copied = self.of(item, depth)
            if name in getattr(value, "__dict__", ()):
                twin.__dict__[name] = copied
            else:
                object.__setattr__(twin, name, copied)
        return twin

    def _of_function(self, function: types.FunctionType, depth: int) -> types.FunctionType:
        """The same function with its own closure and defaults, which it may write to."""
        cells, defaults = function.__closure__ or (), function.__defaults__
        if is_of_a_library(function.__module__) or not (cells or defaults or function.__kwdefaults__):
            return function
        closure = tuple(types.CellType() for _ in cells)
        twin = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, self.of(defaults, depth), closure
        )
        self._known[id(function)] = twin
        for after, before in zip(closure, cells, strict=True):
            with suppress(ValueError):  # the cell is empty
                after.cell_contents = self.of(before.cell_contents, depth)
        twin.__kwdefaults__ = self.of(function.__kwdefaults__, depth)
        twin.__dict__.update(function.__dict__)
        twin.__qualname__, twin.__module__ = function.__qualname__, function.__module__
        return twin


def _shallow(value: Any) -> Any:
    """A shallow copy; None if there is no way to make one."""
    if not isinstance(value, list | dict | set | deque):
        try:
            twin = object.__new__(type(value))
        except TypeError:  # a class written in C
            pass
        else:
            if isinstance(getattr(value, "__dict__", None), dict):
                twin.__dict__.update(value.__dict__)
            return twin
    try:
        return copy.copy(value)
    except Exception:  # a third-party class may raise anything
        return None
