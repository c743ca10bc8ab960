"""Checks of a declaration, without importing its target."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from typing import Any

from seqkit.plugin import ComponentPlugin, Config, RecipePlugin, TaskPlugin

NAME = re.compile(r"[a-z][a-z0-9_-]*")
TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def declaration_faults(declaration: Any, kind: type[Any]) -> Iterator[str]:
    """The faults of an object that a declaration hook returned; none if it can be used."""
    if not isinstance(declaration, kind):
        yield f"declares {declaration!r}, which is not a {kind.__name__}"
        return
    name = declaration.name
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"declares the name {name!r}; a name consists of lower-case letters, digits, '-' and '_'"
    if isinstance(declaration, RecipePlugin):
        if not declaration.path.is_file():
            yield f"declares the recipe {name!r}, but there is no file {declaration.path}"
    elif isinstance(declaration, TaskPlugin):
        yield from _task_faults(declaration)
    elif isinstance(declaration, ComponentPlugin):
        yield from _config_faults(name, declaration.config)
        yield from _target_faults(name, declaration.target)


def _task_faults(declaration: TaskPlugin) -> Iterator[str]:
    name = declaration.name
    targets: list[Any] = [declaration.source, declaration.target, declaration.run, declaration.report]
    if declaration.choose_source is not None:
        targets.append(declaration.choose_source)
    for target in targets:
        yield from _target_faults(name, target)
    for choices in ("encoders", "heads"):
        names: Any = getattr(declaration, choices)
        if not isinstance(names, tuple) or not all(isinstance(each, str) for each in names):
            yield f"declares the task {name!r} with {choices} {names!r}, which is not a tuple of names"
        elif not names:
            yield f"declares the task {name!r} without {choices}"
    for kind in ("tables", "components"):
        parts: Any = getattr(declaration, kind)
        if not isinstance(parts, Mapping):
            yield f"declares the task {name!r} with {kind} {parts!r}, which is not a mapping"
            continue
        for part, value in parts.items():
            if not isinstance(part, str) or not NAME.fullmatch(part):
                yield f"declares the task {name!r} with {part!r} in {kind}, which is not a name"
            if part in ("source", "cell", "model", "train", "description", "recipe", "task"):
                yield f"declares the task {name!r} with {part!r} in {kind}, which every recipe already has"
            if kind == "tables":
                yield from _config_faults(name, value)
    if not isinstance(declaration.seeds, int) or declaration.seeds < 1:
        yield f"declares the task {name!r} with seeds {declaration.seeds!r}; it must be an integer, 1 or more"


def _config_faults(name: str, config: Any) -> Iterator[str]:
    # Third-party code gave it, so it may be anything.
    if not (isinstance(config, type) and issubclass(config, Config)):
        yield f"declares {name!r} with the config {config!r}, which is not a subclass of Config"
        return
    if config.model_config.get("extra") != "forbid" or not config.model_config.get("frozen"):
        yield f"declares {name!r} with {config.__name__}, which must be frozen and forbid extra keys"
    if "use" in config.model_fields:
        yield f"declares {name!r} with a field 'use', which recipes reserve for the name of the component"


def _target_faults(name: str, target: Any) -> Iterator[str]:
    if not isinstance(target, str):
        if not callable(target):
            yield f"declares {name!r} with the target {target!r}, which is not a class"
        return
    if not TARGET.fullmatch(target):
        yield f'declares {name!r} with the target {target!r}; it must be a class, or "module:attribute"'
        return
    module = target.partition(":")[0]
    if not _exists(module):
        yield f"declares {name!r} with the target {target!r}, but there is no module {module}"


def _exists(module: str) -> bool:
    """Whether a module exists; neither it nor a package around it is imported."""
    if module in sys.modules:
        return True
    name, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec is not None
