"""Suggestions for an unknown key of a table: the table, or the component, that has the key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from seqkit.errors import did_you_mean
from seqkit.plugin import Config
from seqkit.recipe.kinds import components_of
from seqkit.recipe.overrides import UNSET, value_for
from seqkit.registry import Registry


def meant_overrides(
    text: str, configs: Mapping[str, type[Config]], registry: Registry, *, nearest: bool = True
) -> list[str]:
    """Overrides that may have been meant by one that names no table.

    Args:
        text: `hidden_size=16`, or `~minutes`.
        configs: the configs of the tables, by name.
        registry: for the components that the recipe does not use.
        nearest: whether the key may be misspelt.
    """
    removes = text.startswith("~")
    name, equals, value = text.removeprefix("~").partition("=")
    name = name.strip()
    if "." in name or not name or removes == bool(equals):
        return []
    found = [f"{table}.{name}" for table in _tables_with(name, configs)]
    if not found and not removes:
        of = {
            kind: " and of ".join(_components_with(name, kind, registry)) for kind in components_of(registry)
        }
        if any(of.values()):
            return [f"{kind}.{text} (a key of {kind}.use={uses})" for kind, uses in of.items() if uses]
    if not found and nearest:
        keys = {key: f"{table}.{key}" for table, config in configs.items() for key in config.model_fields}
        found = [keys[near] for near in difflib.get_close_matches(name, keys, n=1, cutoff=0.75)]
    return [_without(key, configs) if removes else f"{key}={value}" for key in found]


def meant_key(key: str, table: str, configs: Mapping[str, type[Config]], registry: Registry) -> str:
    """The hint for a key that a table does not have, with a leading space."""
    elsewhere = [f"{other}.{key}" for other in _tables_with(key, configs)]
    if elsewhere:
        return f" Did you mean {' or '.join(elsewhere)}?"
    if table in components_of(registry) and (names := _components_with(key, table, registry)):
        return f" It is a key of {table}.use={' and of '.join(names)}."
    known = configs[table].model_fields if table in configs else {}
    return did_you_mean(key, known) or f" Known: {', '.join(known) or 'none'}."


def _tables_with(key: str, configs: Mapping[str, type[Config]]) -> list[str]:
    return [table for table, config in configs.items() if key in config.model_fields]


def _components_with(key: str, kind: str, registry: Registry) -> list[str]:
    return [
        entry.declaration.name
        for declared, entry in registry.entries()
        if declared == kind and key in entry.declaration.config.model_fields
    ]


def _without(key: str, configs: Mapping[str, type[Config]]) -> str:
    """The override that leaves a key out, if possible in a form that needs no quotes in any shell."""
    table, _, name = key.partition(".")
    config = configs.get(table)
    is_bare = config is not None and value_for(config.model_fields[name], "none") is UNSET
    return f"{key}=none" if is_bare else f"~{key}"
