"""What a Python object is made of: kinds that are compared by value or by identity, and attributes."""

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
"""Of the flags of a class: it was made by a `class` statement."""


def attribute_items(value: object) -> list[tuple[str, Any]]:
    """The attributes that an object has itself, not by its class."""
    own = getattr(value, "__dict__", None)
    items = [(name, item) for name, item in own.items() if isinstance(name, str)] if type(own) is dict else []
    for base in type(value).__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, types.MemberDescriptorType) and base.__flags__ & _WRITTEN_IN_PYTHON:
                with suppress(AttributeError):  # it holds nothing yet
                    items.append((name, slot.__get__(value)))
    return items


def has_attributes(value: object) -> bool:
    """Whether the object is one of Python's own kind, which holds no more than its attributes."""
    return hasattr(value, "__dict__") and type(value).__module__ != "builtins"


def content_of(cell: types.CellType) -> object:
    """What a closure holds; an empty one holds nothing yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
