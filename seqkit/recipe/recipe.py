"""Recipe: load, change, resolve, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from seqkit.errors import PluginConflictError, RecipeError, UnknownNameError, did_you_mean
from seqkit.plugin import Config
from seqkit.recipe.draft import Draft, Place, read_draft
from seqkit.recipe.tables import COMPONENTS, TABLES, DataConfig, ModelConfig, SampleConfig, TrainConfig
from seqkit.registry import Entry, Registry, default_registry


class Recipe:
    """A complete description of a run, as it was given: from a TOML file, or table by table.

    It is validated as a whole, changes included, when it is resolved (`seqkit.train` does that), so
    that all of its faults are told at once.

    Args:
        tables: by name; each a dict, or one of the typed tables.

    Example:
        >>> recipe = Recipe.load("quickstart").override(["cell.hidden_size=64"])
        >>> recipe.resolve().cell.config.hidden_size
        64
    """

    def __init__(self, *, name: str = "recipe", **tables: Mapping[str, Any] | Config | str) -> None:
        plain = {
            key: table.model_dump(exclude_unset=True) if isinstance(table, Config) else table
            for key, table in tables.items()
        }
        self.name = name
        self._draft = Draft(plain, Place("", Path.cwd())).copy()
        self._changes: tuple[str | _Data, ...] = ()

    @classmethod
    def load(cls, recipe: str | Path, registry: Registry | None = None) -> Recipe:
        """A recipe by name, or from a file if it ends in `.toml` or holds a path separator.

        Raises:
            UnknownNameError: no recipe has that name.
            RecipeError: the file is missing or not TOML.
        """
        path = Path(recipe)
        if not (path.suffix == ".toml" or len(path.parts) > 1):
            path = (registry or default_registry()).recipe(str(recipe)).declaration.path
        loaded = cls(name=path.stem)
        loaded._draft = read_draft(path)
        return loaded

    def with_data(self, path: str | Path | Sequence[str] | Mapping[str, Any]) -> Recipe:
        """The recipe with the user's text in place of its source."""
        return self._changed(_Data(str(path) if isinstance(path, Path) else path))

    def override(self, overrides: Sequence[str]) -> Recipe:
        """The recipe with `table.key=value` set, and `~table.key` removed, in order.

        The right side is read as TOML, or as a string where it is not TOML. Setting `use` starts
        the table afresh; keys that both components know are kept.
        """
        return self._changed(*overrides)

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides that were applied to it."""
        return tuple(change for change in self._changes if isinstance(change, str))

    def resolve(self, registry: Registry | None = None) -> ResolvedRecipe:
        """The recipe with every key validated and every default filled in.

        Raises:
            RecipeError: with all of its faults.
        """
        registry = registry or default_registry()
        draft = self._draft.copy()
        for change in self._changes:
            if isinstance(change, _Data):
                draft.replace_source(change.path)
            else:
                draft.override(change, registry)
        return _Validation(draft, registry).result(self.name, self.overrides)

    def save(self, path: str | Path) -> None:
        """Write it as TOML, fully resolved."""
        self.resolve().save(path)

    def _changed(self, *changes: str | _Data) -> Recipe:
        changed = Recipe(name=self.name)
        changed._draft = self._draft
        changed._changes = (*self._changes, *changes)
        return changed


@dataclass(frozen=True)
class _Data:
    path: Any


@dataclass(frozen=True)
class Component:
    """A component that a recipe names: its config, and where it comes from."""

    use: str
    config: Config
    entry: Entry[Any]

    def options(self) -> dict[str, Any]:
        """The config as keywords."""
        return {name: getattr(self.config, name) for name in type(self.config).model_fields}


@dataclass(frozen=True)
class ResolvedRecipe:
    """A validated recipe: every table typed, every default filled in."""

    name: str
    description: str
    overrides: tuple[str, ...]
    source: Component
    tokenizer: Component
    data: DataConfig
    cell: Component
    model: ModelConfig
    train: TrainConfig
    sample: SampleConfig

    def tables(self) -> dict[str, Any]:
        """As TOML has it: plain values; a key without a value is left out."""
        tables: dict[str, Any] = {"description": self.description} if self.description else {}
        for name in ("source", "tokenizer", "data", "cell", "model", "train", "sample"):
            table = getattr(self, name)
            if isinstance(table, Component):
                tables[name] = {"use": table.use, **table.config.model_dump(exclude_none=True)}
            else:
                tables[name] = table.model_dump(exclude_none=True)
        return tables

    def to_toml(self) -> str:
        """The text of the file that `save` writes."""
        return tomli_w.dumps(self.tables())

    def save(self, path: str | Path) -> None:
        """Write it as TOML."""
        Path(path).write_text(self.to_toml(), "utf-8")

    def override(self, overrides: Sequence[str]) -> Recipe:
        """See `Recipe.override`."""
        return Recipe(name=self.name, **self.tables()).override(overrides)

    def with_data(self, path: str | Path | Sequence[str] | Mapping[str, Any]) -> Recipe:
        """See `Recipe.with_data`."""
        return Recipe(name=self.name, **self.tables()).with_data(path)


class _Validation:
    """Validates each table on its own and gathers the faults of all."""

    def __init__(self, draft: Draft, registry: Registry) -> None:
        self._draft, self._registry = draft, registry
        self._faults = list(draft.faults)

    def result(self, name: str, overrides: tuple[str, ...]) -> ResolvedRecipe:
        tables = self._draft.tables
        known = ["description", *COMPONENTS, *TABLES]
        for table in tables:
            if table not in known:
                self._faults.append(
                    f"[{table}]: unknown table{self._where(table, '')}.{did_you_mean(table, known)}"
                )
        description = tables.get("description", "")
        if not isinstance(description, str):
            self._faults.append(f"description: should be a string{self._where('', 'description')}")
        tables.setdefault("tokenizer", {"use": "char"})
        parts = {kind: self._component(kind) for kind in COMPONENTS}
        parts |= {
            table: self._validated(table, config, tables.get(table, {})) for table, config in TABLES.items()
        }
        if self._faults:
            raise RecipeError(f"recipe {self._draft.default_place.says or name}", self._faults)
        return ResolvedRecipe(name=name, description=description, overrides=overrides, **parts)

    def _component(self, kind: str) -> Any:
        table = self._draft.tables.get(kind)
        use = table.get("use") if isinstance(table, dict) else None
        if not isinstance(table, dict) or not isinstance(use, str):
            example = self._registry.names(kind)[0]
            self._faults.append(
                f"[{kind}]: needs a name, for instance use = {example!r}{self._where(kind, 'use')}"
            )
            return None
        try:
            entry = self._registry.component(kind, use, self._draft.place(kind, "use").says)
        except (UnknownNameError, PluginConflictError) as error:
            self._faults.append(f"{kind}.use: {error}")
            return None
        options = {key: value for key, value in table.items() if key != "use"}
        config = self._validated(kind, entry.declaration.config, options)
        return Component(use, config, entry) if config is not None else None

    def _validated(self, table: str, config: type[Config], values: Any) -> Any:
        if not isinstance(values, Mapping):
            self._faults.append(f"[{table}]: should be a table, got {values!r}{self._where('', table)}")
            return None
        bases = {key: self._draft.place(table, key).base for key in config.model_fields}
        try:
            return config.model_validate(dict(values), context=bases)
        except ValidationError as error:
            by_key = groupby(error.errors(), key=lambda detail: str(detail["loc"][0]))
            for key, details in by_key:
                said = _said(key, list(details), values.get(key), config)
                self._faults.append(f"{table}.{key}: {said}{self._where(table, key)}")
            return None

    def _where(self, table: str, key: str) -> str:
        says = self._draft.place(table, key).says
        return f" ({says})" if says else ""


def _said(key: str, details: list[Any], given: Any, config: type[Config]) -> str:
    """What pydantic found out about a key, in the user's words; a union has a complaint from each member."""
    kinds = {detail["type"] for detail in details}
    if "extra_forbidden" in kinds:
        hint = did_you_mean(key, config.model_fields) or f" Known: {', '.join(config.model_fields)}."
        return f"unknown key.{hint}"
    if kinds == {"missing"}:
        return "is needed"
    messages = [
        detail["msg"].removeprefix("Value error, ").replace("Input should", "should") for detail in details
    ]
    return f"{' or '.join(dict.fromkeys(messages))}, got {given!r}"
