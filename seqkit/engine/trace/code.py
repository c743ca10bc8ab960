"""What the code of a step reads: globals, attributes of modules, and other functions of its class."""

from __future__ import annotations

import dis
import functools
import sys
import types
from typing import Any, Final

_LIBRARIES: Final = frozenset(
    {"torch", "numpy", "scipy", "pandas", "pydantic", "pydantic_core", "seqkit", *sys.stdlib_module_names}
)
"""Packages whose code does not change while a program runs."""

_STARTS: Final = frozenset(
    {"step", "forward", "scan", "initial_state", "__call__", "__getattr__", "__getitem__"}
)


@functools.lru_cache(maxsize=4096)
def is_of_a_library(module: str | None) -> bool:
    """Whether a module belongs to PyTorch, NumPy, Python or the like."""
    return (module or "").partition(".")[0] in _LIBRARIES


def is_library_function(value: Any) -> bool:
    """Whether a value is a function of a library, of any type: NumPy has its own function type."""
    return (
        callable(value)
        and not isinstance(value, type | types.BuiltinFunctionType | types.MethodType)
        and hasattr(value, "__name__")
        and is_of_a_library(getattr(value, "__module__", None))
    )


@functools.lru_cache(maxsize=4096)
def globals_read_by(code: types.CodeType) -> tuple[str, ...]:
    """The names of the globals that the code reads, nested functions included."""
    return _arguments(code, ("LOAD_GLOBAL", "LOAD_NAME"))


@functools.lru_cache(maxsize=4096)
def modules_imported_by(code: types.CodeType) -> tuple[str, ...]:
    """The names of the modules that the code imports while it runs."""
    return _arguments(code, ("IMPORT_NAME",))


def _arguments(code: types.CodeType, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The names in instructions of these kinds, nested functions included."""
    names = [each.argval for each in dis.get_instructions(code) if each.opname in kinds]
    inner = (name for each in _inner(code) for name in _arguments(each, kinds))
    return tuple(dict.fromkeys([*names, *inner]))


@functools.lru_cache(maxsize=4096)
def attributes_read_by(code: types.CodeType) -> tuple[str, ...]:
    """All names that the code reads as attributes, or imports, nested functions included."""
    inner = (name for each in _inner(code) for name in attributes_read_by(each))
    return tuple(dict.fromkeys([*code.co_names, *inner]))


def reached_from_a_step(kind: type) -> set[str]:
    """The names of class attributes that its step, or another method that an engine calls, may read."""
    held = {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}
    reached: set[str] = set()
    waiting = [name for name in held if name in _STARTS]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        for base in kind.__mro__:
            function = getattr(vars(base).get(name), "fget", None) or vars(base).get(name)
            function = getattr(function, "__func__", function)
            if isinstance(function, types.FunctionType) and not is_of_a_library(function.__module__):
                waiting.extend(each for each in attributes_read_by(function.__code__) if each in held)
    return reached


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [each for each in code.co_consts if isinstance(each, types.CodeType)]
