"""The available kinds of tasks, and the one that a source is for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any

from seqkit.errors import PluginConflictError, PluginError
from seqkit.plugin import SourcePlugin, TaskPlugin, load_target
from seqkit.registry.entry import Entry
from seqkit.registry.origin import Origin

Note = Callable[[Origin, str], None]
"""Called with a plugin's origin and a fault of the plugin."""


def usable_tasks(
    every: Sequence[Entry[TaskPlugin]], kinds: Collection[str], note: Note
) -> list[Entry[TaskPlugin]]:
    """The tasks that can be used together, the built-in ones first.

    A third-party declaration does not change recipes of other kinds: a task that shares a name or a table
    with an earlier one is left out, and noted.

    Args:
        every: all declared tasks.
        kinds: the kinds of components.
        note: called with each clash.
    """
    usable: list[Entry[TaskPlugin]] = []
    for entry in sorted(every, key=lambda entry: entry.origin.distribution != "seqkit"):
        if fault := _clash(entry.declaration, [other.declaration for other in usable], kinds):
            note(entry.origin, fault)
        else:
            usable.append(entry)
    return usable


def _clash(task: TaskPlugin, others: Sequence[TaskPlugin], kinds: Collection[str]) -> str:
    """Why a task cannot be used together with others; an empty string if it can."""
    for other in others:
        if task.name == other.name:
            return f"declares the task {task.name!r}, which exists already"
        if shared := {table for table in task.tables if table in {**other.tables, **other.components}}:
            return f"declares the task {task.name!r} with the table {min(shared)!r}, which {other.name} has"
    if odd := set(task.components) - set(kinds):
        return f"declares the task {task.name!r} with a component {min(odd)!r}, but there is no such kind"
    return ""


def task_of(
    source: Entry[Any], config: Any, tasks: Sequence[Entry[TaskPlugin]], note: Note
) -> Entry[TaskPlugin]:
    """The kind of task whose base class a source has.

    Args:
        source: the declaration of the source.
        config: the config of the source.
        tasks: the tasks to choose from.
        note: called with a task whose base class cannot be used.
    Raises:
        PluginError: there is no such task, or the declaration does not say what the source gives.
        PluginConflictError: there are several such tasks.
    """
    made = _class_of(source, config)
    found: dict[int, list[Entry[TaskPlugin]]] = defaultdict(list)
    for entry in tasks:
        base = _base_of(entry, note)
        if base is not None and issubclass(made, base):
            lines = made.__mro__
            found[lines.index(base) if base in lines else len(lines)].append(entry)
    if not found:
        kinds = ", ".join(entry.declaration.name for entry in tasks)
        raise PluginError(f"{made.__name__} is not a source of any kind of task ({kinds}).")
    nearest = found[min(found)]
    built_in = [entry for entry in nearest if entry.origin.distribution == "seqkit"]
    if len(nearest) > 1 and not built_in:
        names = " and ".join(f"{each.declaration.name!r} of {each.origin.distribution}" for each in nearest)
        raise PluginConflictError(
            f"{made.__name__} is a source of several tasks: {names}.\n  Block one: -p no:NAME"
        )
    return (built_in or nearest)[0]


def _class_of(source: Entry[Any], config: Any) -> type:
    """The class of a source, or the base class that its declaration names."""
    declared: SourcePlugin = source.declaration
    given = declared.gives
    if callable(given) and not isinstance(given, type):
        try:
            given = given(config)
        except Exception as error:  # a third-party function may raise anything
            raise PluginError(
                f"`gives` of {declared.name!r} fails: {type(error).__name__}: {error}"
            ) from error
    made: Any = source.load() if given is None else load_target(declared.name, given)
    if not isinstance(made, type):
        raise PluginError(
            f"{declared.name!r} is opened by a function, but its declaration does not say what the function "
            'returns.\n  Add it: SourcePlugin(..., gives="seqkit.sources:TextSource").'
        )
    return made


def _base_of(entry: Entry[TaskPlugin], note: Note) -> type | None:
    """The base class of a task's sources; None, with a note, if it cannot be used."""
    task = entry.declaration
    try:
        base: Any = load_target(task.name, task.source)
    except PluginError as error:
        note(entry.origin, f"names sources that cannot be loaded: {str(error).removesuffix('.')}")
        return None
    if isinstance(base, type):
        return base
    note(entry.origin, f"declares the task {task.name!r} with the source {base!r}, which is not a class")
    return None
