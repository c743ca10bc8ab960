"""The tables and components that the kind of a recipe adds to it, for each task."""

from __future__ import annotations

from seqkit.plugin import Config
from seqkit.recipe.tables import COMPONENTS, TABLES
from seqkit.registry import Registry


def tables_of(registry: Registry) -> dict[str, type[Config]]:
    """Every table that does not name a component, by name: those of every recipe, and those of the tasks."""
    tables = dict(TABLES)
    for task in registry.tasks():
        tables.update(task.declaration.tables)
    return tables


def components_of(registry: Registry) -> tuple[str, ...]:
    """Every kind of component that a recipe can name in a table."""
    of_tasks = (kind for task in registry.tasks() for kind in task.declaration.components)
    return tuple(dict.fromkeys((*COMPONENTS, *of_tasks)))
