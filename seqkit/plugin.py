"""The API for authors of plugins.

Importing it loads pydantic and pluggy and nothing heavier; the contracts (`Cell`, `Tokenizer`,
`TextSource`, ...) load torch or NumPy at first use.
"""

from __future__ import annotations

import glob
import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import pluggy
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, field_validator

from seqkit.errors import PluginError, SourceError, did_you_mean

if TYPE_CHECKING:
    from seqkit.cells import Cell, State
    from seqkit.encoders import Encoder
    from seqkit.engine.scan import linear_scan
    from seqkit.heads import Head
    from seqkit.run import Run
    from seqkit.sources import Piece, Series, SeriesSource, Source, TextSource
    from seqkit.sources.base import cut_document
    from seqkit.tasks import Sizes, Task, TaskData
    from seqkit.tokenizers import Tokenizer

__all__ = [
    "Cell",
    "CellConfig",
    "CellPlugin",
    "Config",
    "DataPath",
    "Encoder",
    "EncoderConfig",
    "EncoderPlugin",
    "Head",
    "HeadConfig",
    "HeadPlugin",
    "Piece",
    "RecipePlugin",
    "Run",
    "Series",
    "SeriesSource",
    "Sizes",
    "Source",
    "SourceConfig",
    "SourceError",
    "SourcePlugin",
    "State",
    "Task",
    "TaskData",
    "TaskPlugin",
    "TextSource",
    "Tokenizer",
    "TokenizerConfig",
    "TokenizerPlugin",
    "cut_document",
    "hookimpl",
    "linear_scan",
]

hookimpl = pluggy.HookimplMarker("seqkit")
"""Marks a function as an implementation of the hook of the same name."""


class Config(BaseModel):
    """The typed config of a component: its recipe table without `use`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _arrays_as_tuples(cls, value: Any, info: ValidationInfo) -> Any:
        """Convert an array to a tuple if the field is one, since TOML has arrays only."""
        return _as_tuples(value, cls.model_fields[info.field_name or ""].annotation)


def _as_tuples(value: Any, annotation: Any) -> Any:
    """The value, with lists converted to tuples where the annotation has tuples."""
    if not isinstance(value, list):
        return value
    kinds = [each for each in (annotation, *get_args(annotation)) if get_origin(each) in (tuple, list)]
    of_tuple = next((kind for kind in kinds if get_origin(kind) is tuple), None)
    if of_tuple is None and tuple not in (annotation, *get_args(annotation)):
        inner = [argument for kind in kinds for argument in get_args(kind)]
        return [_as_tuples(item, inner[0]) for item in value] if inner else value
    items = [each for each in get_args(of_tuple) if each is not Ellipsis]
    kinds = items if len(items) == len(value) else items[:1] * len(value)
    return tuple(map(_as_tuples, value, kinds)) if kinds else tuple(value)


class CellConfig(Config):
    """Config of a cell. Every field is a keyword argument of its constructor; the defaults are set here."""


class TokenizerConfig(Config):
    """Config of a tokenizer. Every field is a keyword argument of its `train`."""


class SourceConfig(Config):
    """Config of a source. Every field is a keyword argument of its constructor."""


class HeadConfig(Config):
    """Config of a head. Every field is a keyword argument of its constructor."""


class EncoderConfig(Config):
    """Config of an encoder. Every field is a keyword argument of its constructor."""


def load_target(name: str, target: str | Callable[..., Any]) -> Callable[..., Any]:
    """Load the target of a declaration; its module is imported if needed.

    Raises:
        PluginError: the module cannot be imported, or has no such attribute.
    """
    if not isinstance(target, str):
        return target
    place, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(place)
    except Exception as error:  # third-party code may raise anything
        raise PluginError(
            f"the module of {name!r}, {place}, cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not hasattr(module, attribute):
        hint = did_you_mean(attribute, dir(module))
        raise PluginError(f"the target of {name!r} does not exist: {place} has no {attribute}.{hint}")
    loaded: Callable[..., Any] = getattr(module, attribute)
    return loaded


@dataclass(frozen=True)
class ComponentPlugin:
    """Declares a component."""

    name: str
    """Its name in a recipe, the value of `use`."""
    config: type[Config]
    target: str | Callable[..., Any]
    """The class itself, or `"module:attribute"`, which is imported at first use."""

    def load(self) -> Callable[..., Any]:
        """Load the class; its module is imported if needed.

        Raises:
            PluginError: the module cannot be imported, or has no such attribute.
        """
        return load_target(self.name, self.target)


@dataclass(frozen=True)
class CellPlugin(ComponentPlugin):
    """Declares a cell, called as `target(input_size, **config)`."""

    size_field: str = "hidden_size"
    """The field of the config that sets the size of the cell; `seqkit bench cells` varies it."""
    stochastic: bool = False
    """Whether a step draws random numbers in training; it is checked in evaluation mode, with one seed."""
    surrogate_gradients: bool = False
    """Whether its gradients differ from its derivative on purpose, as straight-through gradients do."""


@dataclass(frozen=True)
class TokenizerPlugin(ComponentPlugin):
    """Declares a tokenizer, trained by `target.train(pieces, **config)`."""


@dataclass(frozen=True)
class SourcePlugin(ComponentPlugin):
    """Declares a source, opened by `target(**config)`."""

    gives: str | type | Callable[[Any], str | type] | None = None
    """The kind of source that it opens, if the target is not the class itself: a base class such as
    `"seqkit.sources:TextSource"`, or a function of the config that returns one."""
    reading: tuple[str, ...] = ()
    """The config keys that say how the data is read, not where it is; they also apply if other data is
    used in its place."""


@dataclass(frozen=True)
class HeadPlugin(ComponentPlugin):
    """Declares a head, called as `target(input_size, output_size, **config)`.

    `input_size` is the number of features of the cell's output; `output_size` is the number of different
    ids, or None if numbers are predicted.
    """

    tasks: tuple[str, ...] = ()
    """Kinds of task whose recipes may use it, besides the kinds that list it themselves."""


@dataclass(frozen=True)
class EncoderPlugin(ComponentPlugin):
    """Declares an encoder, called as `target(input_size, **config)`.

    `input_size` is the number of different ids, or of features in a row of numbers.
    """

    tasks: tuple[str, ...] = ()
    """Kinds of task whose recipes may use it, besides the kinds that list it themselves."""


@dataclass(frozen=True)
class TaskPlugin:
    """Declares a kind of task: what a model is trained to do with the sources of one base class.

    The source of a recipe decides its kind: the kind whose base class the source has. A class is given
    as itself, or as `"module:attribute"`, which is imported at first use.
    """

    name: str
    """The kind, as in `recipe.kind`."""
    source: str | type
    """The base class of its sources."""
    target: str | Callable[..., Any]
    """A `Task`."""
    encoders: tuple[str, ...]
    """Encoders that a recipe of this kind may use; the first is the default."""
    heads: tuple[str, ...]
    """Heads that a recipe of this kind may use; the first is the default."""
    tables: Mapping[str, type[Config]] = field(default_factory=dict)
    """Tables that a recipe of this kind may have, besides those of every recipe."""
    components: Mapping[str, str] = field(default_factory=dict)
    """Components that a recipe of this kind may have, each with the name of its default."""
    run: str | Callable[..., Any] = "seqkit.run:Run"
    """The class of its runs."""
    report: str | Callable[..., Any] = "seqkit.cli.report:Report"
    """The class that prints its runs on the command line."""
    choose_source: str | Callable[..., Any] | None = None
    """A function from the data that a user names (`--data`) to the `[source]` table that reads it."""
    seeds: int = 1
    """Number of trainings that `seqkit run` makes by default."""


@dataclass(frozen=True)
class RecipePlugin:
    """Declares a recipe that `seqkit run NAME` finds."""

    name: str
    path: Path


class PathFrom(str):
    """A string that is relative to `base` if it is a path."""

    base: Path

    def __new__(cls, value: str, base: Path) -> PathFrom:
        self = super().__new__(cls, value)
        self.base = base
        return self


def _resolve(value: Any, info: ValidationInfo) -> Any:
    value = str(value) if isinstance(value, Path) else value
    base = getattr(value, "base", (info.context or {}).get(info.field_name))
    if not isinstance(value, str) or base is None:
        return value
    # The folder itself is not a pattern, even if its name contains characters of one.
    folder = glob.escape(str(base)) if glob.has_magic(value) else base
    return str(Path(folder, os.path.expanduser(value)))


DataPath = Annotated[str, BeforeValidator(_resolve)]
"""The type of a config field that names a file, a folder or a glob.

A path in a recipe file is relative to that file; a path in an override, to the working directory.
"""

_CONTRACTS = {
    "Cell": "seqkit.cells",
    "Encoder": "seqkit.encoders",
    "Head": "seqkit.heads",
    "Piece": "seqkit.sources",
    "cut_document": "seqkit.sources.base",
    "linear_scan": "seqkit.engine.scan",
    "Run": "seqkit.run",
    "Series": "seqkit.sources",
    "SeriesSource": "seqkit.sources",
    "Source": "seqkit.sources",
    "State": "seqkit.cells",
    "Sizes": "seqkit.tasks",
    "Task": "seqkit.tasks",
    "TaskData": "seqkit.tasks",
    "TextSource": "seqkit.sources",
    "Tokenizer": "seqkit.tokenizers",
}


def __getattr__(name: str) -> Any:
    if name not in _CONTRACTS:
        raise AttributeError(f"module 'seqkit.plugin' has no attribute {name!r}")
    return getattr(importlib.import_module(_CONTRACTS[name]), name)
