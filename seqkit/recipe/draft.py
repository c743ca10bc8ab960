"""A recipe before it is validated: its tables as given, and the place of each key."""

from __future__ import annotations

import copy
import logging
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seqkit.errors import (
    PluginError,
    RecipeError,
    SourceError,
    UnknownNameError,
    did_you_mean,
)
from seqkit.plugin import Config, PathFrom, TaskPlugin, load_target
from seqkit.recipe.kinds import components_of, tables_of
from seqkit.recipe.meant import meant_overrides
from seqkit.recipe.overrides import NONE, UNSET, parse_value, value_for
from seqkit.registry import Entry, Registry

logger = logging.getLogger(__name__)

TABLE_LINE = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
KEY_LINE = re.compile(r"\s*([\w-]+)\s*(?:\.[\w.-]+\s*)?=")


@dataclass(frozen=True)
class Place:
    """The place that gave a key, and the folder that a relative path under it is relative to."""

    says: str
    base: Path
    is_override: bool = False


@dataclass
class Draft:
    """Tables that overrides can be applied to."""

    tables: dict[str, Any]
    default_place: Place
    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    is_resolved: bool = False
    """Whether the tables are those of a resolved recipe, so that not every key was given by hand."""

    def copy(self) -> Draft:
        """A copy that can be changed independently."""
        tables = copy.deepcopy(self.tables)
        return Draft(tables, self.default_place, dict(self.places), list(self.faults), self.is_resolved)

    def place(self, table: str, key: str) -> Place:
        """The place that gave a key."""
        return self.places.get((table, key), self.default_place)

    def replace_source(self, given: Any, registry: Registry) -> None:
        """Put the user's data in place of the recipe's source; the keys that say how it is read are kept."""
        self.tables.pop("description", None)  # it describes the recipe's own data
        entry = self.task(registry)
        if entry is None:
            return  # validation reports the fault of the present source
        task = entry.declaration
        if task.choose_source is None:
            self.faults.append(f"--data: a recipe for {task.name} takes its data from [source] only")
            return
        try:
            chosen = load_target(task.name, task.choose_source)(given)
        except SourceError as error:
            self.faults.append(f"--data: {error}")
            return
        before = self.tables.get("source", {})
        if not isinstance(before, dict) or before.get("use") != chosen["use"]:
            before = {}
        reader: Any = registry.component("source", chosen["use"]).declaration
        reading = reader.reading
        self.tables["source"] = {**{key: before[key] for key in reading if key in before}, **chosen}
        for key in ("path", "data_files"):
            self.places["source", key] = Place("--data", Path.cwd())

    def task(self, registry: Registry) -> Entry[TaskPlugin] | None:
        """The task that the recipe trains a model for, by its source or else by its tables; None if unknown.

        A recipe without a source and without a table of another task is for text.
        """
        tasks = {entry.declaration.name: entry for entry in registry.tasks()}
        if "source" not in self.tables:
            own = (entry for entry in tasks.values() if set(entry.declaration.tables) & set(self.tables))
            return next(own, tasks["text"])
        entry = self._component("source", registry)
        if entry is None:
            return None
        values = {key: value for key, value in self.tables["source"].items() if key != "use"}
        try:
            return registry.task_of(entry, entry.declaration.config.model_construct(**values))
        except PluginError:
            return None

    def override(self, text: str, registry: Registry) -> None:
        """Apply `table.key=value`, `table.key=none` or `~table.key`; a malformed one becomes a fault."""
        removes = text.startswith("~")
        name, equals, value = text.removeprefix("~").partition("=")
        table, _, path = name.strip().partition(".")
        if not path or removes == bool(equals):
            self.faults.append(f"{text!r}: {self._malformed(text, registry)}")
            return
        keys = path.split(".")
        if removes and table not in self.tables:
            hint = did_you_mean(table, self.tables)
            self.faults.append(f"{text!r}: there is no table [{table}]{'.' if hint else ''}{hint}")
            return
        parsed: Any = UNSET
        if not removes:
            try:
                parsed = self._parsed(table, keys, value, registry)
            except ValueError as error:
                self.faults.append(f"{text!r}: {error}")
                return
        if not isinstance(self.tables.get(table, {}), dict):
            self.faults.append(f"{text!r}: {table} is not a table")
        elif parsed is UNSET:
            self._remove(table, keys, text, must_exist=removes)
        else:
            self._set(table, keys, parsed, text, registry)

    def _parsed(self, table: str, keys: list[str], text: str, registry: Registry) -> Any:
        config = self.config(table, registry)
        field_info = None if config is None else config.model_fields.get(keys[0])
        if field_info is None:
            return parse_value(text)
        # A key within a key, such as source.path.train, has no type here; it may only be left out.
        return value_for(field_info, text) if not keys[1:] else UNSET if text in NONE else parse_value(text)

    def _set(self, table: str, keys: list[str], parsed: Any, text: str, registry: Registry) -> None:
        place = Place(f"override {text!r}", Path.cwd(), is_override=True)
        if table not in self.tables:
            self.places[table, ""] = place
        values = self.tables.setdefault(table, {})
        if table in components_of(registry) and keys == ["use"]:
            values = self.tables[table] = _start_afresh(table, values, str(parsed), registry)
        for key in keys[:-1]:
            inner = values.get(key)
            if table == "model" and isinstance(inner, str):  # a head or an encoder given as a name only
                inner = {"use": inner}
            values[key] = inner if isinstance(inner, dict) else {}
            values = values[key]
        # If an override gives one inner key, say source.path.train, the others stay relative to the file.
        values[keys[-1]] = PathFrom(parsed, Path.cwd()) if isinstance(parsed, str) and keys[1:] else parsed
        base = self.place(table, keys[0]).base if keys[1:] else place.base
        self.places[table, keys[0]] = replace(place, base=base)

    def _remove(self, table: str, keys: list[str], text: str, must_exist: bool) -> None:
        values = self.tables.get(table, {})
        for key in keys[:-1]:
            inner = values.get(key)
            values = inner if isinstance(inner, dict) else {}
        if values.pop(keys[-1], None) is None and must_exist:
            there = f"; [{table}] has {', '.join(values)}" if values else ""
            self.faults.append(f"{text!r}: there is no such key to remove{there}")

    def config(self, table: str, registry: Registry) -> type[Config] | None:
        """The config of a table; None if unknown, because its component is unknown."""
        if table not in components_of(registry):
            return tables_of(registry).get(table)
        entry = self._component(table, registry)
        return None if entry is None else entry.declaration.config

    def _component(self, kind: str, registry: Registry) -> Entry[Any] | None:
        """The component that a table names; None if it does not exist."""
        values = self.tables.get(kind)
        use = values.get("use") if isinstance(values, dict) else None
        try:
            return registry.component(kind, str(use))
        except (UnknownNameError, PluginError):
            return None  # validation reports the faulty name

    def configs(self, registry: Registry) -> dict[str, type[Config]]:
        """The known configs of all tables, by name."""
        every = {
            table: self.config(table, registry) for table in (*tables_of(registry), *components_of(registry))
        }
        return {table: config for table, config in every.items() if config is not None}

    def _malformed(self, text: str, registry: Registry) -> str:
        """Message for a malformed override."""
        says = "an override has the form table.key=value, or table.key=none to leave the key out"
        if os.path.isfile(text):
            return f"{says}. Data is given with --data {text}."
        meant = meant_overrides(text, self.configs(registry), registry)
        return f"the table is missing. Did you mean {' or '.join(meant)}?" if meant else says


def read_draft(path: Path) -> Draft:
    """The tables of a TOML file, with the line of every key.

    Raises:
        RecipeError: the file is missing, or not TOML.
    """
    try:
        text = path.read_text("utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else f"it is not valid TOML: {error}"
        raise RecipeError(str(path), [f"cannot be read: {said}"]) from error
    base = path.parent.absolute()
    places = {key: Place(f"{path.name}:{line}", base) for key, line in key_lines(text).items()}
    return Draft(tables, Place(path.name, base), places)


def key_lines(text: str) -> dict[tuple[str, str], int]:
    """The line of each `key =` under its `[table]`, which tomllib does not report.

    It reads line by line, so a line inside a multi-line string that looks like a key can mislead it.
    The only consequence is that a message names the wrong line.
    """
    lines: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := TABLE_LINE.match(line):
            table, _, inner = found[1].partition(".")
            lines.setdefault((table, inner.partition(".")[0]), number)
        elif found := KEY_LINE.match(line):
            lines.setdefault((table, found[1]), number)
    return lines


def _start_afresh(table: str, values: Mapping[str, Any], use: str, registry: Registry) -> dict[str, Any]:
    """The table for another component: it keeps the keys that both know."""
    if values.get("use") == use:
        return dict(values)
    try:
        known = set(registry.component(table, use).declaration.config.model_fields)
    except (UnknownNameError, PluginError):
        return {"use": use}  # validation reports the faulty name
    dropped = [key for key in values if key not in known and key != "use"]
    if dropped:
        logger.info("[%s] use = %r does not know %s: dropped", table, use, ", ".join(dropped))
    return {key: value for key, value in values.items() if key in known}
