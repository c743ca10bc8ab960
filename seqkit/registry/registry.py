"""What is known by name: cells, tokenizers, sources and recipes, and where each comes from."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

import pluggy

from seqkit.errors import PluginConflictError, PluginError, UnknownNameError
from seqkit.plugin import (
    CellPlugin,
    ComponentPlugin,
    EncoderPlugin,
    HeadPlugin,
    RecipePlugin,
    SourcePlugin,
    TaskPlugin,
    TokenizerPlugin,
    load_target,
)
from seqkit.registry.declarations import declaration_faults
from seqkit.registry.loader import Loader
from seqkit.registry.origin import Origin, PluginReport

logger = logging.getLogger(__name__)

Declared = TypeVar("Declared", bound="ComponentPlugin | RecipePlugin | TaskPlugin")

KINDS: dict[str, tuple[str, type]] = {
    "cell": ("seqkit_cells", CellPlugin),
    "tokenizer": ("seqkit_tokenizers", TokenizerPlugin),
    "source": ("seqkit_sources", SourcePlugin),
    "encoder": ("seqkit_encoders", EncoderPlugin),
    "head": ("seqkit_heads", HeadPlugin),
    "task": ("seqkit_tasks", TaskPlugin),
    "recipe": ("seqkit_recipes", RecipePlugin),
}

FIRST_PARTY = {
    "seqkit-gated": ("lstm", "gru", "lnlstm", "mingru", "minlstm", "char-lstm", "char-gru", "char-mingru"),
    "seqkit-subword": ("bpe", "byte", "subword"),
    "seqkit-tensorboard": ("quickstart-tensorboard",),
}
"""What the plugins of this repository bring: the answer to a name that is not installed."""


@dataclass(frozen=True)
class Entry(Generic[Declared]):
    """A declaration, and where it came from."""

    declaration: Declared
    origin: Origin

    def load(self: Entry[Any]) -> Callable[..., Any]:
        """The class that a component declares.

        Raises:
            PluginError: it cannot be imported, or does not exist; the plugin is named.
        """
        try:
            return load_target(self.declaration.name, self.declaration.target)
        except PluginError as error:
            plugin = f"{self.origin.distribution} {self.origin.version}".strip()
            raise PluginError(f"the plugin {plugin} fails: {error}") from error


class Registry:
    """What the built-ins and the plugins declare.

    Args:
        plugins: besides the installed ones; see `Loader`.

    Raises:
        PluginError: a plugin that was given cannot be loaded.
    """

    def __init__(self, plugins: Sequence[Any] = ()) -> None:
        loader = Loader(plugins)
        for report in loader.reports:
            for finding in report.findings if report.origin.given else ():
                logger.warning("the plugin %s: %s", report.name, finding)
        self.manager = loader.manager
        self.reports: list[PluginReport] = loader.reports
        self._broken: dict[tuple[str, str], tuple[PluginReport, str]] = {}
        """Declarations that cannot be used, by hook and name: of which plugin, and why."""
        self._entries: dict[str, dict[str, list[Entry[Any]]]] = {
            kind: self._declared(*hook_and_type) for kind, hook_and_type in KINDS.items()
        }

    def names(self, kind: str) -> list[str]:
        """The names of a kind: `"cell"`, `"tokenizer"`, `"source"` or `"recipe"`."""
        return sorted(self._entries[kind])

    def component(self, kind: str, name: str, where: str = "") -> Entry[ComponentPlugin]:
        """The component by that name, or by `distribution:name`.

        Raises:
            UnknownNameError: there is none; `where` says where the name was given.
            PluginError: a plugin declares it, in a way that cannot be used.
            PluginConflictError: two distributions declare it.
        """
        return self._find(kind, name, where)

    def recipe(self, name: str) -> Entry[RecipePlugin]:
        """The recipe by that name, or by `distribution:name`; raises as `component` does."""
        return self._find("recipe", name, "")

    def tasks(self) -> list[Entry[TaskPlugin]]:
        """Every kind of task that can be used; of two by one name, the built-in one."""
        return list(self._tasks)

    @cached_property
    def _tasks(self) -> list[Entry[TaskPlugin]]:
        usable: list[Entry[TaskPlugin]] = []
        every = [entry for entries in self._entries["task"].values() for entry in entries]
        # The built-in ones first: what a stranger declares must not change a recipe of theirs.
        for entry in sorted(every, key=lambda entry: entry.origin.distribution != "seqkit"):
            if fault := self._clash(entry, usable):
                _note(next(r for r in self.reports if r.origin is entry.origin), [fault])
            else:
                usable.append(entry)
        return usable

    @staticmethod
    def _clash(entry: Entry[TaskPlugin], others: Sequence[Entry[TaskPlugin]]) -> str:
        """Why a task cannot be used beside those that are there; an empty string where it can."""
        task = entry.declaration
        for other in (each.declaration for each in others):
            if task.name == other.name:
                return f"declares the task {task.name!r}, which there is already"
            if shared := {table for table in task.tables if table in {**other.tables, **other.components}}:
                return f"declares the task {task.name!r} with the table {min(shared)!r}, one of {other.name}"
        if odd := set(task.components) - set(KINDS):
            return f"declares the task {task.name!r} with a component {min(odd)!r}, and there is no such kind"
        return ""

    def task_of(self, source: Entry[Any], config: Any) -> Entry[TaskPlugin]:
        """The kind of task whose base class a source has.

        Args:
            source: its declaration.
            config: its own.
        Raises:
            PluginError: there is none or there are two, or the declaration does not say what the source
                gives.
        """
        declared: SourcePlugin = source.declaration
        given = declared.gives
        if callable(given) and not isinstance(given, type):
            try:
                given = given(config)
            except Exception as error:  # whatever a stranger's function raises
                raise PluginError(
                    f"`gives` of {declared.name!r} fails: {type(error).__name__}: {error}"
                ) from error
        made: Any = source.load() if given is None else load_target(declared.name, given)
        if not isinstance(made, type):
            raise PluginError(
                f"{declared.name!r} is opened by a function, and its declaration does not say what that "
                'returns.\n  Add it: SourcePlugin(..., gives="seqkit.sources:TextSource").'
            )
        found: dict[int, list[Entry[TaskPlugin]]] = defaultdict(list)
        for entry in self.tasks():
            base = self._base_of(entry)
            if base is not None and issubclass(made, base):
                lines = made.__mro__
                found[lines.index(base) if base in lines else len(lines)].append(entry)
        if not found:
            kinds = ", ".join(entry.declaration.name for entry in self.tasks())
            raise PluginError(f"{made.__name__} is not a source of any kind of task ({kinds}).")
        nearest = found[min(found)]
        built_in = [entry for entry in nearest if entry.origin.distribution == "seqkit"]
        if len(nearest) > 1 and not built_in:
            names = " and by ".join(f"{e.declaration.name!r} of {e.origin.distribution}" for e in nearest)
            raise PluginConflictError(
                f"{made.__name__} is a source of several tasks: by {names}.\n  Block one: -p no:NAME"
            )
        return (built_in or nearest)[0]

    def _base_of(self, entry: Entry[TaskPlugin]) -> type | None:
        """The base class of a task's sources; None, and a finding, where it cannot be had."""
        task = entry.declaration
        try:
            base: Any = load_target(task.name, task.source)
        except PluginError as error:
            fault = f"names sources that cannot be loaded: {str(error).removesuffix('.')}"
        else:
            if isinstance(base, type):
                return base
            fault = f"declares the task {task.name!r} with the source {base!r}, which is no class"
        _note(next(report for report in self.reports if report.origin is entry.origin), [fault])
        return None

    def entries(self) -> Iterator[tuple[str, Entry[Any]]]:
        """Everything that is declared, with its kind."""
        for kind in KINDS:
            for name in self.names(kind):
                yield from ((kind, entry) for entry in self._entries[kind][name])

    def report_of(self, implementation: pluggy.HookImpl) -> PluginReport:
        """The plugin that a hook implementation belongs to."""
        return self.reports[int(implementation.plugin_name.rpartition("#")[2])]

    def _find(self, kind: str, name: str, where: str) -> Entry[Any]:
        distribution, colon, short = name.rpartition(":")
        found = self._entries[kind].get(short, [])
        if colon:
            found = [entry for entry in found if entry.origin.distribution == distribution]
        if not found:
            self._raise_broken(kind, short, distribution, where)
            raise UnknownNameError(kind, name, self.names(kind), where, self._hint(kind, short))
        built_in = [entry for entry in found if entry.origin.distribution == "seqkit"]
        given = any(entry.origin.given for entry in found)
        # An installed plugin cannot take a built-in's name away; one that was asked for must not be ignored.
        if len(found) > 1 and (given or not built_in):
            raise PluginConflictError(_conflict(kind, short, found, where))
        return (built_in or found)[0]

    def _raise_broken(self, kind: str, name: str, distribution: str, where: str) -> None:
        """Raise the error of the plugin that declares a name in a way that cannot be used, if one does."""
        hook, _ = KINDS[kind]
        report, reason = self._broken.get((hook, name), (None, ""))
        if report is None or distribution not in ("", report.origin.distribution):
            return
        place = f" ({where})" if where else ""
        plugin = f"the plugin {report.name!r} of {report.origin.distribution} {report.origin.version}".strip()
        raise PluginError(
            f"the {kind} {name!r}{place} cannot be used: {plugin} {reason}.\n"
            f"  Install what is missing, or repair the plugin: {report.origin.path}"
        )

    def _hint(self, kind: str, name: str) -> str:
        states = {report.origin.distribution: report for report in self.reports}
        for distribution, names in FIRST_PARTY.items():
            if name.lower() in names:
                comes = f"{name.lower()!r} comes with the plugin {distribution}"
                if distribution not in states:
                    return f"{comes}: pip install {distribution}"
                report = states[distribution]
                if report.status == "loaded":
                    break
                reason = f" ({'; '.join(report.findings)})" if report.status == "failed" else ""
                return f"{comes}, which is {report.status}{reason}."
        failed = [report for report in self.reports if report.status == "failed"]
        if failed:
            broken = ", ".join(report.name for report in failed)
            reasons = "".join(f"\n  {report.name}: {report.findings[0]}" for report in failed)
            return f"Plugins that failed to load: {broken}; see: seqkit plugins{reasons}"
        if kind == "recipe":
            return ""
        return f"One of your own: -p FILE.py. What this environment has ({sys.prefix}): seqkit plugins"

    def _declared(self, hook: str, kind: type) -> dict[str, list[Entry[Any]]]:
        found: dict[str, list[Entry[Any]]] = defaultdict(list)
        # One implementation at a time: its plugin is known, and a broken one stops none of the others.
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            report = self.report_of(implementation)
            if implementation.wrapper or implementation.hookwrapper:
                continue  # which the loader has reported
            try:
                declarations = list(implementation.function())
            except Exception as error:
                _note(report, [f"raises in {hook}: {type(error).__name__}: {error}"])
                continue
            for declaration in declarations:
                faults = list(declaration_faults(declaration, kind))
                _note(report, faults)
                if faults and isinstance(name := getattr(declaration, "name", None), str):
                    self._broken[hook, name] = (report, "; it ".join(faults))
                if not faults:
                    found[declaration.name].append(Entry(declaration, report.origin))
        for entries in found.values():
            entries.sort(key=lambda entry: entry.origin.distribution)
        self._report_conflicts(hook, found)
        return dict(found)

    def _report_conflicts(self, hook: str, found: dict[str, list[Entry[Any]]]) -> None:
        for name, entries in found.items():
            for entry in entries:
                others = [e.origin.distribution for e in entries if e is not entry]
                report = next(r for r in self.reports if r.origin is entry.origin)
                if others and entry.origin.distribution != "seqkit":
                    report.findings.append(
                        f"{name!r} of {hook} is also declared by {', '.join(others)}; "
                        f'use = "{entry.origin.distribution}:{name}" means this one'
                    )


def _conflict(kind: str, name: str, found: Sequence[Entry[Any]], where: str) -> str:
    """Who declares a name, and what can be done: one that was given can be left out, but not blocked."""
    place = f" ({where})" if where else ""
    holders = [entry.origin.distribution for entry in found]
    if len(set(holders)) < len(holders):
        paths = " and by ".join(entry.origin.path for entry in found)
        return f"the {kind} {name!r} is declared by {paths}{place}.\n  Give only one of them."
    message = f"the {kind} {name!r} is declared by {' and by '.join(holders)}{place}.\n"
    message += f'  Choose one: use = "{holders[0]}:{name}"'
    installed = [
        e.origin.distribution for e in found if not e.origin.given and e.origin.distribution != "seqkit"
    ]
    return message + (f", or block the other: -p no:{installed[-1]}" if installed else "")


def _note(report: PluginReport, faults: Sequence[str]) -> None:
    """Keep what is wrong with an installed plugin; one that was asked for is an error at once."""
    if faults and report.origin.given:
        raise PluginError(f"the plugin {report.name!r} cannot be used: it {'; it '.join(faults)}.")
    report.findings += faults


def registry_with(plugins: Sequence[Any]) -> Registry:
    """The built-ins, the installed plugins, and these."""
    return Registry(plugins) if plugins else default_registry()


@cache
def default_registry() -> Registry:
    """The built-ins and the installed plugins."""
    return Registry()
