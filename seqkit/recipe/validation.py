"""Validation of the tables of a draft: the result is typed tables, or all of their faults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import ValidationError

from seqkit.errors import PluginError, RecipeError, UnknownNameError, did_you_mean
from seqkit.plugin import Config, TaskPlugin
from seqkit.recipe.draft import Draft
from seqkit.recipe.kinds import components_of, tables_of
from seqkit.recipe.meant import meant_key
from seqkit.recipe.needs import NEEDS
from seqkit.recipe.resolved import Component, ResolvedRecipe
from seqkit.recipe.tables import COMPONENTS, TABLES, ModelConfig
from seqkit.registry import Entry, Registry

AConfig = TypeVar("AConfig", bound=Config)


class ConfigFaultsError(Exception):
    """The faults of a config, by key, in the user's terms."""

    def __init__(self, faults: dict[str, str], unknown: Collection[str] = ()) -> None:
        self.faults = faults
        self.unknown = frozenset(unknown)
        """Keys that do not exist."""
        super().__init__("; ".join(f"{key}: {said}" for key, said in faults.items()))


def validate_config(
    config: type[AConfig], values: Mapping[str, Any], bases: Mapping[str, Path] | None = None
) -> AConfig:
    """The typed config.

    Args:
        config: the class of the config.
        values: the values by key.
        bases: for each key, the folder that a relative path is relative to.
    Raises:
        ConfigFaultsError: the values have faults; the error has all of them.
    """
    try:
        return config.model_validate(dict(values), context=dict(bases or {}))
    except ValidationError as error:
        details = error.errors()
        by_key = groupby(details, key=lambda detail: str(detail["loc"][0]))
        faults = {key: _said(key, list(said), values.get(key), config) for key, said in by_key}
        unknown = {str(detail["loc"][0]) for detail in details if detail["type"] == "extra_forbidden"}
    raise ConfigFaultsError(faults, unknown)


def unwritable(config: Config) -> dict[str, str]:
    """The fields whose values TOML cannot represent, and why: a run with one could not be opened again."""
    faults = {}
    for name, value in config.model_dump(exclude_none=True).items():
        try:
            tomli_w.dumps({name: value})
        except TypeError:
            faults[name] = (
                f"a recipe cannot hold {value!r}; it holds numbers, strings, dates, lists, tuples and tables "
                "(instead of an Enum use a Literal of strings, instead of a set a list)"
            )
    return faults


def validate_draft(draft: Draft, registry: Registry, name: str, overrides: tuple[str, ...]) -> ResolvedRecipe:
    """The resolved recipe.

    Raises:
        RecipeError: the draft has faults; the error lists all of them.
    """
    faults = list(draft.faults)
    known = ["description", *components_of(registry), *tables_of(registry)]
    for table in draft.tables:
        if table not in known:
            faults.append(f"[{table}]: unknown table{_where(draft, table)}.{did_you_mean(table, known)}")
    description = draft.tables.get("description", "")
    if not isinstance(description, str):
        faults.append(
            f"description: should be a string, got {description!r}{_where(draft, '', 'description')}"
        )
    source = _component(draft, registry, "source", faults)
    task = draft.task(registry) if source is None else _task_of(source, draft, registry, faults)
    of_the_kind = dict(tables_of(registry) if task is None else task.declaration.tables)
    components = components_of(registry) if task is None else (*COMPONENTS, *task.declaration.components)
    if task is not None:
        _complete(draft, task.declaration, faults)
        faults += _foreign(draft, task.declaration, registry)
    parts: dict[str, Any] = {"source": source}
    for kind in components:
        if kind != "source" and (task is not None or kind in draft.tables or kind in COMPONENTS):
            parts[kind] = _component(draft, registry, kind, faults)
    for table, config in {**of_the_kind, **TABLES}.items():
        parts[table] = _table(draft, registry, table, config, draft.tables.get(table, {}), faults)
    around: dict[str, Any] = {}
    if task is not None and isinstance(parts["model"], ModelConfig):
        around = {
            kind: _around(draft, registry, kind, parts["model"], task.declaration, faults)
            for kind in ("encoder", "head")
        }
    faults += _without_effect(draft, parts)
    if faults or task is None:
        raise RecipeError(f"recipe {draft.default_place.says or name}", faults)
    common = {kind: parts.pop(kind) for kind in (*COMPONENTS, *TABLES)}
    return ResolvedRecipe(
        name=name, description=description, overrides=overrides, task=task, own=parts, **common, **around
    )


def _task_of(
    source: Component, draft: Draft, registry: Registry, faults: list[str]
) -> Entry[TaskPlugin] | None:
    try:
        return registry.task_of(source.entry, source.config)
    except PluginError as error:
        faults.append(f"source.use: {error}{_where(draft, 'source', 'use')}")
        return None


def _complete(draft: Draft, task: TaskPlugin, faults: list[str]) -> None:
    """Fill in the defaults that depend on the kind of the recipe."""
    model = draft.tables.setdefault("model", {})
    if isinstance(model, dict):
        model.setdefault("encoder", task.encoders[0])
        model.setdefault("head", task.heads[0])
    for kind, use in task.components.items():
        draft.tables.setdefault(kind, {"use": use})


def _foreign(draft: Draft, task: TaskPlugin, registry: Registry) -> list[str]:
    """Faults for tables that only recipes of other kinds have."""
    faults = []
    for other in (entry.declaration for entry in registry.tasks()):
        for table in {**other.tables, **other.components}:
            if table in draft.tables and table not in {**task.tables, **task.components}:
                use = draft.tables["source"]["use"]
                faults.append(
                    f"[{table}]: is for recipes on {other.name}, and the source {use!r} gives {task.name}"
                    f"{_where(draft, table)}"
                )
    return faults


def _around(
    draft: Draft, registry: Registry, kind: str, model: ModelConfig, task: TaskPlugin, faults: list[str]
) -> Component | None:
    """The encoder or the head that `[model]` names, by a string or in an inner table."""
    given = getattr(model, kind)
    options = {} if isinstance(given, str) else {key: value for key, value in given.items() if key != "use"}
    where = _where(draft, "model", kind)
    named = task.encoders if kind == "encoder" else task.heads
    of_plugins = (
        entry.declaration.name
        for declared, entry in registry.entries()
        if declared == kind and task.name in entry.declaration.tasks
    )
    choices = dict.fromkeys((*named, *of_plugins))
    use = given if isinstance(given, str) else given.get("use", named[0])
    if not isinstance(use, str):
        faults.append(f"model.{kind}.use: should be a name; choose from: {', '.join(choices)}{where}")
        return None
    try:
        entry = registry.component(kind, use, draft.place("model", kind).says)
    except (UnknownNameError, PluginError) as error:
        faults.append(f"model.{kind}: {error}")
        return None
    if entry.declaration.name not in choices:
        faults.append(
            f"model.{kind}: {use!r} is not for {task.name}; choose from: {', '.join(choices)}{where}"
        )
        return None
    if use == "embedding" and isinstance(given, str):
        options = {"size": model.embedding_size}
    try:
        config = validate_config(entry.declaration.config, options)
    except ConfigFaultsError as error:
        faults += [f"model.{kind}.{key}: {said}{where}" for key, said in error.faults.items()]
        return None
    return Component(use, config, entry)


def _without_effect(draft: Draft, parts: Mapping[str, Any]) -> list[str]:
    """Faults for keys that are given by hand but have no effect because of another key."""
    tables = {name: part.config if isinstance(part, Component) else part for name, part in parts.items()}
    faults = []
    for need in NEEDS:
        table, _, key = need.key.partition(".")
        config = tables.get(table)
        if type(config) is not need.of or key not in draft.tables.get(table, {}):
            continue
        place = draft.place(table, key)
        # The output of `seqkit show` and the recipe of a run have every default, even those without effect.
        is_default = getattr(config, key) == need.of.model_fields[key].get_default(call_default_factory=True)
        by_hand = place.is_override or not (draft.is_resolved or is_default)
        if by_hand and (said := need.unmet(tables)):
            remedy = "" if place.is_override else f"; {need.key}=none leaves it out"
            faults.append(f"{need.key}: {said}{_where(draft, table, key)}{remedy}")
    return faults


def _component(draft: Draft, registry: Registry, kind: str, faults: list[str]) -> Any:
    table = draft.tables.get(kind)
    use = table.get("use") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(use, str):
        example = registry.names(kind)[0]
        faults.append(f"[{kind}]: needs a name, for example use = {example!r}{_where(draft, kind, 'use')}")
        return None
    try:
        entry = registry.component(kind, use, draft.place(kind, "use").says)
    except (UnknownNameError, PluginError) as error:
        faults.append(f"{kind}.use: {error}")
        return None
    options = {key: value for key, value in table.items() if key != "use"}
    config = _table(draft, registry, kind, entry.declaration.config, options, faults)
    if config is None:
        return None
    faults += [f"{kind}.{key}: {said}{_where(draft, kind, key)}" for key, said in unwritable(config).items()]
    return Component(use, config, entry)


def _table(
    draft: Draft, registry: Registry, table: str, config: type[Config], values: Any, faults: list[str]
) -> Config | None:
    if not isinstance(values, Mapping):
        faults.append(f"[{table}]: should be a table, got {values!r}{_where(draft, '', table)}")
        return None
    try:
        return validate_config(
            config, values, {key: draft.place(table, key).base for key in config.model_fields}
        )
    except ConfigFaultsError as error:
        for key, said in error.faults.items():
            if key in error.unknown:
                said = f"unknown key.{meant_key(key, table, draft.configs(registry), registry)}"
            faults.append(f"{table}.{key}: {said}{_where(draft, table, key)}")
        return None


def _where(draft: Draft, table: str, key: str = "") -> str:
    says = draft.place(table, key).says
    return f" ({says})" if says else ""


def _said(key: str, details: list[Any], given: Any, config: type[Config]) -> str:
    """The fault that pydantic found in a key, in the user's terms; a union has one for each member."""
    kinds = {detail["type"] for detail in details}
    if "extra_forbidden" in kinds:
        hint = did_you_mean(key, config.model_fields) or f" Known: {', '.join(config.model_fields)}."
        return f"unknown key.{hint}"
    if kinds == {"missing"} and all(len(detail["loc"]) == 1 for detail in details):
        return "is required"
    messages = [
        detail["msg"].removeprefix("Value error, ").replace("Input should", "should") for detail in details
    ]
    return f"{' or '.join(dict.fromkeys(messages))}, got {given!r}"
