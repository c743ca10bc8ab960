"""The right side of an override: the value of a text from the command line, by the type of its key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from seqkit.plugin import DataPath


class Unset:
    """The value of `key=none`: the key is left out, and its default applies."""


UNSET: Final = Unset()
NONE = ("none", "None")
_PATH = get_args(DataPath)[1]
"""The annotation of a field that is a path."""


def parse_value(text: str) -> Any:
    """The text as TOML if it is valid TOML, else as a string."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if list(parsed) == ["value"] else text


def value_for(field: FieldInfo, text: str) -> Any:
    """The value of `key=text`, for a key of this type.

    - `none` is `UNSET`, unless the type takes that word as a text, and not None.
    - `a,b` is a list if the type is a list or a tuple. If the type may also be a single text, a text
      without a comma is a single text, and a path always is.
    - Everything else is read as TOML if it is valid TOML, else as a string.

    Raises:
        ValueError: a path has a backslash that TOML reads as an escape.
    """
    members = list(_members(field.annotation, tuple(field.metadata)))
    if text in NONE and not _has_the_text_none(members):
        return UNSET
    parsed = parse_value(text)
    is_path = any(_PATH in metadata for _, metadata in members)
    if is_path and _has_escape(text, parsed):
        raise ValueError(
            f"a backslash begins an escape in a TOML string; write / between folders: {_slashes(text)}"
        )
    if text.startswith(("[", "{", '"', "'")):
        return parsed
    lists = [kind for kind, _ in members if get_origin(kind) in (list, tuple)]
    may_be_text = any(kind is str for kind, _ in members)
    if not lists or (may_be_text and (is_path or "," not in text)):
        return parsed
    return _items(text, get_args(lists[0]))


def without_quotes(field: FieldInfo | None, text: str) -> str:
    """The same override in a form that needs no quotes in any shell, if there is one."""
    removes = text.startswith("~")
    key, _, value = text.removeprefix("~").partition("=")
    if field is None or not (removes or value.startswith("[")):
        return text
    parsed = UNSET if removes else parse_value(value)
    bare = "none" if removes else ",".join(map(str, parsed)) if isinstance(parsed, list) else value
    return f"{key}={bare}" if value_for(field, bare) == parsed else text


def _members(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The types of a union, each with its annotations."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _members(arguments[0], (*metadata, *arguments[1:]))
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from _members(argument, metadata)
    else:
        yield annotation, metadata


def _has_the_text_none(members: list[tuple[Any, tuple[Any, ...]]]) -> bool:
    kinds = [kind for kind, _ in members]
    chosen = {word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)}
    return type(None) not in kinds and (str in kinds or not chosen.isdisjoint(NONE))


def _items(text: str, kinds: tuple[Any, ...]) -> list[Any]:
    """The items of `a,b`: strings if the list holds texts, else each read as TOML."""
    texts = [item.strip() for item in text.removesuffix(",").split(",")]
    of_texts = any(kind is str for argument in kinds for kind, _ in _members(argument))
    return texts if of_texts else [parse_value(item) for item in texts]


def _has_escape(text: str, parsed: Any) -> bool:
    """Whether a quoted text has a backslash that TOML reads as an escape, valid or not."""
    if "\\" not in text or not text.startswith(("[", "{", '"')):
        return False
    return parsed == text or any(not part.isprintable() for part in _texts(parsed))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _slashes(text: str) -> str:
    return text.replace("\\\\", "/").replace("\\", "/")
