"""Spell an option as the user types it: in Python, in a recipe or override, or for `seqkit inspect`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from typing import TypeAlias

Value: TypeAlias = str | bool | Sequence[str]
Spelling: TypeAlias = Callable[..., str]
"""Called as `spelling(option, value)`, or as `spelling(option)` for the option's name alone."""

_NEEDS_QUOTES = re.compile(r"[^\w@%+=:,./-]")


def in_python(option: str, value: Value | None = None) -> str:
    """`price="Close"`."""
    if value is None:
        return option
    return f"{option}={value}" if isinstance(value, bool) else f"{option}={_as_json(value)}"


def in_recipe(option: str, value: Value | None = None) -> str:
    """`source.price=Close`, as an override of `seqkit run`."""
    if value is None:
        return f"source.{option}"
    plain = isinstance(value, str) and not _is_toml(value)
    return _quoted(f"source.{option}={value if plain else _as_json(value)}")


def for_inspect(option: str, value: Value | None = None) -> str:
    """`--price Close`."""
    name = f"--{option.replace('_', '-')}"
    if value is None or value is True:
        return name
    values = [value] if isinstance(value, str) else list(value or ())
    return " ".join(f"{name} {_quoted(one)}" for one in values)


def _as_json(value: Value) -> str:
    return json.dumps(value if isinstance(value, str | bool) else list(value), ensure_ascii=False)


def _is_toml(text: str) -> bool:
    """Whether an override would read a text as another value, such as a number."""
    try:
        tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return False
    return True


def _quoted(word: str) -> str:
    """Quote a word for a shell; letters of any language need no quotation marks."""
    if word and not _NEEDS_QUOTES.search(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"
