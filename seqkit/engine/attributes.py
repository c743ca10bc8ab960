"""What a step may read besides the numbers in its tensors: all that can be reached from its cell.

A plan holds for as long as this is the same: attributes, objects with settings to a certain depth, the types
of modules, the code of their classes, the globals that this code reads. What cannot be compared is refused.
"""

from __future__ import annotations

import datetime
import dis
import enum
import functools
import logging
import re
import sys
import threading
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import numpy as np
import torch
from torch import Tensor, nn

from seqkit.engine.refusal import RefusedError
from seqkit.errors import ContractError

Attributes = dict[str, Hashable]
"""For each attribute of a cell, by its path, something to compare."""

_TENSORS: Final = frozenset({"_parameters", "_buffers", "_modules"})
_CONTAINERS: Final = frozenset({dict, list, tuple, set, OrderedDict})
BY_VALUE: Final = (
    *(int, float, bool, str, bytes, complex, types.NoneType, types.EllipsisType, range),
    *(enum.Enum, PurePath, Decimal, Fraction, datetime.date, datetime.time, datetime.timedelta),
    *(re.Pattern, UUID, np.generic, np.dtype),
    *(torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format),
)
BY_IDENTITY: Final = (
    *(types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType, types.GenericAlias),
    *(types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, property),
    *(logging.Logger, type(threading.Lock()), type(threading.RLock()), threading.local, weakref.ref),
    *(torch.Generator, torch._ops.OpOverload, torch._ops.OpOverloadPacket, np.ufunc),
)
_LIBRARIES: Final = frozenset(
    {"torch", "numpy", "pydantic", "pydantic_core", "seqkit", *sys.stdlib_module_names}
)
"""Their code does not change while a program runs."""

MOST_DEPTH: Final = 8
_MOST_VALUES: Final = 5_000
_MOST_ARRAY_BYTES: Final = 1 << 16


class _UncomparableError(Exception):
    """Whether a value has changed cannot be seen."""


class _Identity:
    """Equal to itself only, whatever the object says; the object is kept, so that its id stays its own."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.thing is self.thing


def attributes_of(cell: nn.Module, *, strict: bool = False) -> Attributes:
    """All that the cell's step may read besides the numbers in its tensors.

    Args:
        cell: with all of its modules.
        strict: a tensor is equal to itself only, to find what a step wrote; else to those of its shape.
    Raises:
        RefusedError: something cannot be compared.
        ContractError: a module or a parameter is not registered.
    """
    look = _Look(cell, strict)
    found: Attributes = {}
    for path, module in cell.named_modules():
        found[f"{path}::type"] = look.at_class(type(module))
        for name, value in module.__dict__.items():
            if name in _TENSORS:
                held = tuple(value.values()) if strict else None
                found[f"{path}.{name}"] = (tuple(value), held and tuple(map(_Identity, held)))
            elif value is not None and not (type(value) in _CONTAINERS and not value):
                at = f"{path}.{name}" if path else name
                found[at] = look.at_attribute(at, value)
    return found


def changed(before: Attributes, after: Attributes) -> list[str]:
    """The paths of attributes that differ."""
    return [name for name in {**before, **after} if before.get(name, ()) != after.get(name, ())]


def require_registered(cell: nn.Module) -> None:
    """Raise ContractError where the cell holds a module or a parameter that PyTorch does not know of."""
    with suppress(RefusedError):  # the loop can run it
        attributes_of(cell)


class _Look:
    """One look at everything, in which each object is looked at once."""

    def __init__(self, cell: nn.Module, strict: bool) -> None:
        self._cell, self._strict = cell, strict
        self._seen: dict[int, int] = {}
        self._classes: dict[type, Hashable] = {}
        self._left = _MOST_VALUES

    def at_attribute(self, path: str, value: object) -> Hashable:
        """An attribute of a module."""
        self._path = path
        try:
            return self._at(value, 0)
        except _UncomparableError as error:
            raise RefusedError(
                f"its attribute {path!r} holds {error}, and a change of that cannot be seen "
                "(use plain values, lists, dicts or dataclasses of them, or a buffer)"
            ) from None

    def at_class(self, kind: type) -> Hashable:
        """A class: itself, and the code and the plain attributes of what it and its bases define."""
        if kind not in self._classes:
            self._classes[kind] = _Identity(kind)  # where it is met within itself
            content = [
                (name, self._at_leniently(value, MOST_DEPTH - 3))
                for base in kind.__mro__
                if not _is_of_a_library(base.__module__)
                for name, value in vars(base).items()
                if not name.startswith("__") or isinstance(value, types.FunctionType)
            ]
            self._classes[kind] = (_Identity(kind), tuple(content))
        return self._classes[kind]

    def _at(self, value: Any, depth: int) -> Hashable:
        if isinstance(value, BY_VALUE):
            return (type(value), value)
        if isinstance(value, Tensor):
            if isinstance(value, nn.Parameter):
                self._require_parameter(value)
            return _Identity(value) if self._strict else (type(value), value.shape, value.dtype, value.device)
        if isinstance(value, nn.Module) and self._is_registered(value):
            return _Identity(value)
        if isinstance(value, type):
            return self.at_class(value)
        if isinstance(value, BY_IDENTITY) or type(value) is object:
            return _Identity(value)
        if id(value) in self._seen:
            return ("seen", self._seen[id(value)])
        self._seen[id(value)] = len(self._seen)
        self._left -= 1
        if depth > MOST_DEPTH or self._left < 0:
            raise _UncomparableError("more than can be looked through")
        return (type(value), tuple(self._parts(value, depth + 1)))

    def _at_leniently(self, value: Any, depth: int) -> Hashable:
        """What cannot be compared is equal to itself."""
        try:
            return self._at(value, depth)
        except _UncomparableError:
            return _Identity(value)

    def _parts(self, value: Any, depth: int) -> Iterator[Hashable]:
        """What there is to compare of an object that is made of others."""
        if isinstance(value, types.FunctionType):
            yield from self._of_function(value, depth)
        elif isinstance(value, types.MethodType):
            yield from (self._at(value.__func__, depth), self._at(value.__self__, depth))
        elif isinstance(value, functools.partial):
            yield from (self._at(each, depth) for each in (value.func, value.args, value.keywords))
        elif isinstance(value, staticmethod | classmethod):
            yield self._at(value.__func__, depth)
        elif isinstance(value, types.ModuleType):
            yield _Identity(value)
            if not _is_of_a_library(value.__name__):
                yield from (
                    (k, v) for k, v in vars(value).items() if isinstance(v, BY_VALUE) and k[:2] != "__"
                )
        elif isinstance(value, np.ndarray):
            if value.nbytes > _MOST_ARRAY_BYTES or value.dtype.hasobject:
                raise _UncomparableError("a large NumPy array")
            yield from (value.shape, value.dtype, value.tobytes())
        else:
            yield from self._of_object(value, depth)

    def _of_function(self, function: types.FunctionType, depth: int) -> Iterator[Hashable]:
        """Its code, its defaults, what it closes over, and the globals that it reads."""
        code = function.__code__
        yield _Identity(code)
        if _is_of_a_library(function.__module__):
            return
        yield from (
            self._at_leniently(each, depth) for each in (function.__defaults__, function.__kwdefaults__)
        )
        for cell in function.__closure__ or ():
            yield self._at_leniently(_content_of(cell), depth)
        for name in _globals_read_by(code):
            if name in function.__globals__:
                yield (name, self._at_leniently(function.__globals__[name], depth))

    def _of_object(self, value: Any, depth: int) -> Iterator[Hashable]:
        """Its items and its attributes."""
        if isinstance(value, Mapping):
            yield from ((self._at(key, depth), self._at(item, depth)) for key, item in value.items())
        elif isinstance(value, list | tuple | deque):
            yield from (self._at(item, depth) for item in value)
        elif isinstance(value, set | frozenset):
            yield frozenset(self._at(item, depth) for item in value)
        elif not attribute_names(value) and type(value).__dictoffset__ == 0:
            raise _UncomparableError(f"a {type(value).__name__}")
        yield self.at_class(type(value))
        for name in attribute_names(value):
            yield (name, self._at(getattr(value, name), depth))

    def _is_registered(self, module: nn.Module) -> bool:
        """Whether PyTorch knows of the module; one without tensors, such as an activation, is an object.

        Raises:
            ContractError: it does not, and the module has tensors.
        """
        if any(each is module for each in self._cell.modules()):
            return True
        if any(True for _ in (*module.parameters(), *module.buffers())):
            raise self._not_registered("a module", "nn.ModuleList or nn.ModuleDict")
        return False

    def _require_parameter(self, value: nn.Parameter) -> None:
        """Raise ContractError for a parameter that is not one of the cell's."""
        known = (each for module in self._cell.modules() for each in module._parameters.values())
        if not any(each is value for each in known):
            raise self._not_registered("a parameter", "nn.ParameterList or nn.ParameterDict")

    def _not_registered(self, kind: str, remedy: str) -> ContractError:
        return ContractError(
            f"{type(self._cell).__name__}.{self._path} holds {kind} that PyTorch does not know of, "
            f"which would not be saved.\n  In place of a plain list, dict or object, use {remedy}."
        )


def attribute_names(value: object) -> list[str]:
    """The attributes that an object has itself, not by its class."""
    names = list(getattr(value, "__dict__", ()))
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            name = f"_{base.__name__.lstrip('_')}{name}" if name[:2] == "__" and name[-2:] != "__" else name
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                names.append(name)
    return names


def _content_of(cell: types.CellType) -> object:
    """What a closure holds; an empty one holds nothing yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


@functools.lru_cache(maxsize=1024)
def _globals_read_by(code: types.CodeType) -> tuple[str, ...]:
    """The names of globals, by the functions within this code too."""
    names = [
        each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    ]
    inner = [
        name for each in code.co_consts if isinstance(each, types.CodeType) for name in _globals_read_by(each)
    ]
    return tuple(dict.fromkeys([*names, *inner]))


@functools.lru_cache(maxsize=1024)
def _is_of_a_library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _LIBRARIES
