"""What a step may read besides tensors: the attributes of its cell."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final

from torch import nn

_TENSORS: Final = frozenset({"_parameters", "_buffers", "_modules"})
_CONTAINERS: Final = frozenset({dict, list, tuple, set, OrderedDict})
_PLAIN: Final = (int, float, bool, str, bytes, complex, type(None))


class _Identity:
    """Equal to itself only, whatever the object says; the object is kept, so that its id stays its own."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.thing is self.thing


def attributes_of(cell: nn.Module) -> Hashable:
    """Every attribute of the cell and its modules, to compare: plain values by value, others by identity."""
    return tuple(
        (name, frozen(value))
        for module in cell.modules()
        for name, value in module.__dict__.items()
        if name not in _TENSORS and not (type(value) in _CONTAINERS and not value)
    )


def frozen(value: Any) -> Hashable:
    """A plain value, or a container of them, as something to compare; any other object is its identity."""
    if isinstance(value, _PLAIN):
        return (type(value), value)
    if isinstance(value, list | tuple):
        return (type(value), tuple(frozen(item) for item in value))
    if isinstance(value, dict):
        return (type(value), tuple((frozen(key), frozen(item)) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return (type(value), frozenset(frozen(item) for item in value))
    return _Identity(value)


class Snapshot:
    """The attributes of a cell at one moment, to find what a step wrote and to put it back."""

    def __init__(self, cell: nn.Module) -> None:
        self._modules = [(module, dict(module.__dict__)) for module in cell.modules()]
        self._containers = [
            (value, value.copy())
            for _, attributes in self._modules
            for value in attributes.values()
            if isinstance(value, list | dict | set)
        ]

    def written(self) -> str | None:
        """The name of an attribute that differs from the snapshot, and None where all are as they were."""
        for module, before in self._modules:
            for name in {*before, *module.__dict__}:
                if name not in before or name not in module.__dict__:
                    return name
                if before[name] is not module.__dict__[name]:
                    return name
        for now, then in self._containers:
            if not _same_items(now, then):
                return self._name_of(now)
        return None

    def restore(self) -> None:
        """Put every attribute, and what lists, dicts and sets held, back."""
        for module, before in self._modules:
            module.__dict__.clear()
            module.__dict__.update(before)
        for now, then in self._containers:
            if not _same_items(now, then):
                now.clear()
                now.extend(then) if isinstance(now, list) else now.update(then)

    def _name_of(self, container: object) -> str:
        for _, attributes in self._modules:
            for name, value in attributes.items():
                if value is container:
                    return name
        return "an attribute"


def _same_items(one: Any, other: Any) -> bool:
    """Whether two lists, dicts or sets hold the very same objects, in the same order."""
    if len(one) != len(other):
        return False
    if isinstance(one, dict):
        return all(a is c and b is d for (a, b), (c, d) in zip(one.items(), other.items(), strict=True))
    if isinstance(one, set):
        return bool(one == other)
    return all(a is b for a, b in zip(one, other, strict=True))
