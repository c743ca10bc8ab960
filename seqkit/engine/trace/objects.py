"""The parts of a Python object: types that are compared by value or by identity, and attributes."""

from __future__ import annotations

import datetime
import logging
import re
import threading
import types
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import numpy as np
import torch

PLAIN: Final = frozenset({int, float, bool, str, bytes, complex, types.NoneType, types.EllipsisType, range})
BY_VALUE: Final = (
    *(PurePath, Decimal, Fraction, datetime.date, datetime.time, datetime.timedelta, re.Pattern, UUID),
    *(np.generic, np.dtype, torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format),
)
BY_IDENTITY: Final = (
    *(types.WrapperDescriptorType, types.GenericAlias, types.MethodDescriptorType),
    *(types.GetSetDescriptorType, types.MemberDescriptorType, types.CodeType, np.ufunc, logging.Logger),
    *(type(threading.Lock()), type(threading.RLock()), torch.Generator),
    *(torch._ops.OpOverload, torch._ops.OpOverloadPacket),
)

_WRITTEN_IN_PYTHON: Final = 1 << 9
"""The flag of a class that was made by a `class` statement."""


def attribute_items(value: object) -> list[tuple[str, Any]]:
    """The attributes of an object itself, not of its class."""
    own = getattr(value, "__dict__", None)
    items = [(name, item) for name, item in own.items() if isinstance(name, str)] if type(own) is dict else []
    for base in type(value).__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, types.MemberDescriptorType) and base.__flags__ & _WRITTEN_IN_PYTHON:
                with suppress(AttributeError):  # the slot is empty
                    items.append((name, slot.__get__(value)))
    return items


def has_attributes(value: object) -> bool:
    """Whether the object holds nothing but its attributes, as an instance of a Python class does."""
    return hasattr(value, "__dict__") and type(value).__module__ != "builtins"


def content_of(cell: types.CellType) -> object:
    """The content of a closure's cell; None if it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
