"""A stand-in for a cell: the same step on other tensors, without touching the cell.

    cell                         stand-in
    ├ i2h ─ weight               ├ i2h ─ weight'      fake, perturbed, or computed from parameters
    ├ cfg ─ slope                ├ cfg ─ slope        a copy: what a step writes here is not lost, it is found
    └ act = lambda: self...      └ act = lambda: self'...

Other threads go on with the cell meanwhile.
"""

from __future__ import annotations

import copy
import functools
import types
from collections import deque
from typing import Any, Final, TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from seqkit.engine.attributes import BY_IDENTITY, BY_VALUE, MOST_DEPTH, attribute_names
from seqkit.engine.weights import Weights

M = TypeVar("M", bound=nn.Module)

_SHARED: Final = (*BY_VALUE, *BY_IDENTITY, Tensor, type, types.ModuleType)
"""Not copied: a step cannot write to it, or it is one for the whole program."""


def stand_in(cell: M, weights: Weights) -> M:
    """A copy of the cell, its modules and what their attributes hold, which computes with these tensors.

    Args:
        cell: is not changed.
        weights: by the names of `weights_of`. A weight that is a function of parameters is a plain tensor in
            the copy.
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
    twin: M = _Copier(known, computed).of_module(cell)
    return twin


class _Copier:
    """Copies what is reachable, each object once."""

    def __init__(self, known: dict[int, Any], computed: dict[int, dict[str, Tensor]]) -> None:
        self._known, self._computed = known, computed

    def of_module(self, module: nn.Module) -> Any:
        """A module with copies of all that it holds; it is known before, for what it holds may hold it."""
        kind, computed = type(module), self._computed.get(id(module))
        twin = kind.__new__(kind)
        self._known[id(module)] = twin
        for name, value in module.__dict__.items():
            twin.__dict__[name] = self.of(value, 0)
        if computed is not None:
            twin.__class__ = parametrize.type_before_parametrizations(module)
            del twin.__dict__["_modules"]["parametrizations"]
            twin.__dict__["_buffers"].update(computed)
        return twin

    def of(self, value: Any, depth: int) -> Any:
        """A copy, or the value itself where nothing in it can be written to."""
        if id(value) in self._known:
            return self._known[id(value)]
        if isinstance(value, nn.Module):
            return self.of_module(value)
        if depth > MOST_DEPTH or isinstance(value, _SHARED):
            return value
        self._known[id(value)] = value  # where it holds itself
        twin = self._made(value, depth + 1)
        self._known[id(value)] = twin
        return twin

    def _made(self, value: Any, depth: int) -> Any:
        if isinstance(value, types.FunctionType):
            return self._of_function(value, depth)
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self.of(value.__self__, depth))
        if isinstance(value, functools.partial):
            args = [self.of(arg, depth) for arg in value.args]
            options = {name: self.of(arg, depth) for name, arg in value.keywords.items()}
            return functools.partial(self.of(value.func, depth), *args, **options)
        if isinstance(value, tuple):
            items = [self.of(item, depth) for item in value]
            if all(a is b for a, b in zip(items, value, strict=True)):
                return value
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        is_container = isinstance(value, list | dict | set | deque)
        if not (is_container or attribute_names(value)) or hasattr(value, "__del__"):
            return value
        try:
            twin = copy.copy(value)
        except Exception:  # whatever a stranger's class does: then it is shared
            return value
        if twin is not value:
            self._known[id(value)] = twin
            self._fill(twin, depth)
        return twin

    def _fill(self, twin: Any, depth: int) -> None:
        """Put copies in the place of what a shallow copy holds."""
        if isinstance(twin, list | deque):
            for index, item in enumerate(twin):
                twin[index] = self.of(item, depth)
        elif isinstance(twin, dict):
            for key, item in list(twin.items()):
                twin[key] = self.of(item, depth)
        for name in attribute_names(twin):
            item = getattr(twin, name)
            copied = self.of(item, depth)
            if copied is not item:
                object.__setattr__(twin, name, copied)

    def _of_function(self, function: types.FunctionType, depth: int) -> types.FunctionType:
        """The same function, closing over copies where it closes over something that is copied."""
        before = function.__closure__ or ()
        try:
            after = tuple(types.CellType(self.of(cell.cell_contents, depth)) for cell in before)
        except ValueError:  # it closes over what is not there yet
            return function
        if all(a.cell_contents is b.cell_contents for a, b in zip(after, before, strict=True)):
            return function
        defaults = function.__defaults__
        twin = types.FunctionType(function.__code__, function.__globals__, function.__name__, defaults, after)
        twin.__kwdefaults__ = function.__kwdefaults__
        twin.__dict__.update(function.__dict__)
        return twin
