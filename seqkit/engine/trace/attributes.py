"""What a step may read besides the values of its tensors: everything that can be reached from its cell.

A plan is valid as long as this does not change: attributes, objects with settings to a certain depth, the
types of modules, the code of their classes, the globals that this code reads. An object that cannot be
compared is refused.
"""

from __future__ import annotations

import enum
import functools
import sys
import types
import weakref
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from seqkit.engine.trace.code import (
    attributes_read_by,
    globals_read_by,
    is_library_function,
    is_of_a_library,
    modules_imported_by,
    reached_from_a_step,
)
from seqkit.engine.trace.objects import (
    BY_IDENTITY,
    BY_VALUE,
    PLAIN,
    attribute_items,
    content_of,
    has_attributes,
)
from seqkit.engine.trace.refusal import RefusedError
from seqkit.errors import ContractError

Attributes = dict[str, Hashable]
"""For each attribute of a cell, by its path, something to compare."""

_TENSORS: Final = frozenset({"_parameters", "_buffers", "_modules"})
_OF_EVERY_MODULE: Final = frozenset(nn.Module().__dict__) - _TENSORS - {"training"}

MOST_DEPTH: Final = 8
_MOST_VALUES: Final = 5_000
_MOST_ARRAY_BYTES: Final = 1 << 16


class _UncomparableError(Exception):
    """A change of a value could not be detected.

    Args:
        what: a description of the value.
        where: where it is, if not in an attribute.
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what)
        self.what, self.where = what, where


class _Identity:
    """Compares by identity, not by the object's own `__eq__`; keeps the object, so its id is not reused."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.thing is self.thing


def attributes_of(cell: nn.Module, *, strict: bool = False) -> Attributes:
    """Everything that the cell's step may read except the values of its tensors.

    Args:
        cell: the cell, with all of its modules.
        strict: compare tensors by identity, to find what a step wrote; else by shape, dtype and the like.
    Raises:
        RefusedError: something cannot be compared.
        ContractError: a module or a parameter is not registered.
    """
    look = _Look(cell, strict)
    found: Attributes = {}
    for path, module in look.modules.items():
        found[f"{path}::type"] = look.at_type(path, type(module))
        for name, value in module.__dict__.items():
            if name in _TENSORS:
                found[f"{path}.{name}"] = look.at_registered(value)
            elif name not in _OF_EVERY_MODULE or value:
                at = f"{path}.{name}" if path else name
                found[at] = look.at_attribute(at, value)
    return found


def changed(before: Attributes, after: Attributes) -> list[str]:
    """The paths of attributes that differ."""
    return [name for name in {**before, **after} if before.get(name, ()) != after.get(name, ())]


def require_registered(cell: nn.Module) -> None:
    """Raise ContractError if the cell holds a module or a parameter that is not registered."""
    with suppress(RefusedError):  # the loop can run it
        attributes_of(cell)


class _Look:
    """One pass over everything, which visits each object once."""

    def __init__(self, cell: nn.Module, strict: bool) -> None:
        self._cell, self._strict = cell, strict
        self.modules = dict(cell.named_modules())
        self._paths = {id(module): path for path, module in self.modules.items()}
        self._order: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._classes: dict[type, Hashable] = {}
        self._in_attribute = False

    def at_type(self, path: str, kind: type) -> Hashable:
        """The class of a module."""
        self._path, self._left, self._in_attribute = path, _MOST_VALUES, False
        try:
            return self._at_class(kind)
        except _UncomparableError as error:
            raise _refused(error, f"its class {kind.__name__}") from None

    def at_attribute(self, path: str, value: object) -> Hashable:
        """An attribute of a module."""
        self._path, self._left, self._in_attribute = path, _MOST_VALUES, True
        try:
            return self._at(value, 0)
        except _UncomparableError as error:
            raise _refused(error, f"its attribute {path!r}") from None

    def at_registered(self, held: Mapping[str, Any]) -> Hashable:
        """Names of parameters, buffers or modules, and which of them are the same object."""
        return tuple(
            (name, value if value is None else self._order.setdefault(id(value), len(self._order)))
            if not self._strict
            else (name, _Identity(value))
            for name, value in held.items()
        )

    def _at_class(self, kind: type) -> Hashable:
        """A class: itself, and the code and the plain attributes of what it and its bases define."""
        if kind not in self._classes:
            self._classes[kind] = _Identity(kind)  # if it refers to itself
            reached = reached_from_a_step(kind)
            content = [
                (name, self._of_class(name, value, name in reached))
                for base in kind.__mro__
                if not is_of_a_library(base.__module__)
                for name, value in vars(base).items()
                if name[:2] != "__" or isinstance(value, types.FunctionType)
            ]
            self._classes[kind] = (_Identity(kind), tuple(content))
        return self._classes[kind]

    def _of_class(self, name: str, value: Any, is_reached: bool) -> Hashable:
        """An attribute of a class; if no step can reach it, only its code or what can be compared."""
        if is_reached:
            try:
                return self._at(value, 0)
            except _UncomparableError as error:
                raise _UncomparableError(error.what, error.where or f"its class attribute {name!r}") from None
        if isinstance(value, types.FunctionType):
            return _Identity(value.__code__)
        try:
            return self._at(value, MOST_DEPTH - 3)
        except _UncomparableError:
            return _Identity(value)

    def _at(self, value: Any, depth: int) -> Hashable:
        kind = type(value)
        if kind in PLAIN:
            return (kind, str(value) if value == 0 and kind is float else value)  # -0.0 is not 0.0
        if isinstance(value, BY_VALUE):
            return (kind, value)
        if isinstance(value, Tensor):
            return self._at_tensor(value)
        if isinstance(value, nn.Module) and (found := self._at_module(value)):
            return found
        if isinstance(value, type):
            return self._at_class(value)
        if isinstance(value, BY_IDENTITY) or kind is object or is_library_function(value):
            return _Identity(value)
        if id(value) in self._seen:
            return ("seen", self._seen[id(value)])
        self._seen[id(value)] = len(self._seen)
        self._left -= 1
        if depth > MOST_DEPTH or self._left < 0:
            raise _UncomparableError("more objects than can be compared")
        return (kind, tuple(self._parts(value, depth + 1)))

    def _at_tensor(self, value: Tensor) -> Hashable:
        if isinstance(value, nn.Parameter) and self._in_attribute:
            self._require_registered(value)
        if self._strict:
            return _Identity(value)
        strides = value.stride() if value.layout == torch.strided else None
        return (type(value), value.shape, strides, value.dtype, value.device, value.requires_grad)

    def _at_module(self, module: nn.Module) -> Hashable:
        """A module of the cell by its path; any other by identity if it has tensors, else None."""
        path = self._paths.get(id(module))
        if path is not None:
            return ("module", path)
        if not any(True for _ in (*module.parameters(), *module.buffers())):
            return None
        if self._in_attribute:
            raise self._not_registered("a module", "nn.ModuleList or nn.ModuleDict")
        return _Identity(module)

    def _parts(self, value: Any, depth: int) -> Iterator[Hashable]:
        """The parts of a composite object to compare."""
        if isinstance(value, types.FunctionType):
            yield from self._of_function(value, depth)
        elif isinstance(value, types.MethodType):
            yield from (self._at(value.__func__, depth), self._at(value.__self__, depth))
        elif isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType):
            owner = value.__self__
            yield value.__name__
            yield _Identity(owner) if isinstance(owner, types.ModuleType | type) else self._at(owner, depth)
        elif isinstance(value, functools.partial):
            yield from (self._at(each, depth) for each in (value.func, value.args, value.keywords))
        elif isinstance(value, staticmethod | classmethod):
            yield self._at(value.__func__, depth)
        elif isinstance(value, property):
            yield self._at(value.fget, depth)
        elif isinstance(value, slice):
            yield from (self._at(each, depth) for each in (value.start, value.stop, value.step))
        elif isinstance(value, weakref.ref):
            yield self._at(value(), depth)
        elif isinstance(value, enum.Enum):
            yield from (_Identity(value), self._at_class(type(value)))
        elif isinstance(value, types.ModuleType):
            yield _Identity(value)
        elif isinstance(value, np.ndarray):
            if value.nbytes > _MOST_ARRAY_BYTES or value.dtype.hasobject:
                raise _UncomparableError("a large NumPy array")
            yield from (value.shape, value.dtype, value.tobytes())
        else:
            yield from self._of_object(value, depth)

    def _of_function(self, function: types.FunctionType, depth: int) -> Iterator[Hashable]:
        """Its code, its defaults, its closure, and the globals that it reads."""
        code = function.__code__
        yield _Identity(code)
        if is_of_a_library(function.__module__):
            return
        was_in_attribute, self._in_attribute = self._in_attribute, False
        depth -= 1  # a chain of helpers is counted as one level
        held: dict[str, Any] = {
            "a default": function.__defaults__,
            "a keyword's default": function.__kwdefaults__,
        }
        held |= {f"its {name!r}": each for name, each in function.__dict__.items()}
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        held |= {f"the closure variable {name!r}": content_of(cell) for name, cell in cells}
        globals_read = {
            n: function.__globals__[n] for n in globals_read_by(code) if n in function.__globals__
        }
        held |= {f"the global {name!r}": value for name, value in globals_read.items()}
        imported = {name: sys.modules[name] for name in modules_imported_by(code) if name in sys.modules}
        for name, value in {**globals_read, **imported}.items():
            if isinstance(value, types.ModuleType) and not is_of_a_library(value.__name__):
                read = [each for each in attributes_read_by(code) if each in vars(value)]
                held |= {f"{name}.{each}": vars(value)[each] for each in read}
        for where, value in held.items():
            try:
                yield (where, self._at(value, depth))
            except _UncomparableError as error:
                inner = error.where or f"{where} of {function.__qualname__}"
                raise _UncomparableError(error.what, inner) from None
        self._in_attribute = was_in_attribute

    def _of_object(self, value: Any, depth: int) -> Iterator[Hashable]:
        """Its items and its attributes."""
        attributes = attribute_items(value)
        if isinstance(value, Mapping):
            yield from ((self._at(key, depth), self._at(item, depth)) for key, item in value.items())
        elif isinstance(value, list | tuple | deque):
            yield from (self._at(item, depth) for item in value)
        elif isinstance(value, set | frozenset):
            yield frozenset(self._at(item, depth) for item in value)
        elif isinstance(value, int | float | str | bytes | complex):
            yield repr(value)
        elif not attributes and not has_attributes(value):
            raise _UncomparableError(f"a {type(value).__name__}")
        yield self._at_class(type(value))
        for name, item in attributes:
            yield (name, self._at(item, depth))

    def _require_registered(self, value: nn.Parameter) -> None:
        """Raise ContractError for a parameter that is not one of the cell's."""
        known = (each for module in self.modules.values() for each in module._parameters.values())
        if not any(each is value for each in known):
            raise self._not_registered("a parameter", "nn.ParameterList or nn.ParameterDict")

    def _not_registered(self, kind: str, remedy: str) -> ContractError:
        return ContractError(
            f"{type(self._cell).__name__}.{self._path} holds {kind} that is not registered, "
            f"so it would not be saved.\n  Use {remedy} instead of a plain list, dict or object."
        )


def _refused(error: _UncomparableError, where: str) -> RefusedError:
    return RefusedError(
        f"{error.where or where} holds {error.what}, and a change of it could not be detected "
        "(use plain values, lists, dicts or dataclasses of them, or a buffer)"
    )
