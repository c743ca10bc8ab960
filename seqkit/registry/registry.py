"""The registry: cells, tokenizers, sources and recipes by name, each with its origin."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any

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
)
from seqkit.registry.declarations import declaration_faults
from seqkit.registry.entry import Entry
from seqkit.registry.kinds import task_of, usable_tasks
from seqkit.registry.loader import Loader
from seqkit.registry.origin import Origin, PluginReport

logger = logging.getLogger(__name__)

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
"""Names that the plugins of this repository declare, for the message about one that is not installed."""


class Registry:
    """The declarations of the built-ins and the plugins.

    Args:
        plugins: plugins to load besides the installed ones; see `Loader`.

    Raises:
        PluginError: a given plugin cannot be loaded.
    """

    def __init__(self, plugins: Sequence[Any] = ()) -> None:
        loader = Loader(plugins)
        for report in loader.reports:
            for finding in report.findings if report.origin.given else ():
                logger.warning("the plugin %s: %s", report.name, finding)
        self.manager = loader.manager
        self.reports: list[PluginReport] = loader.reports
        self._broken: dict[tuple[str, str], tuple[PluginReport, str]] = {}
        """Declarations that cannot be used, by hook and name: their plugin, and the reason."""
        self._entries: dict[str, dict[str, list[Entry[Any]]]] = {
            kind: self._declared(*hook_and_type) for kind, hook_and_type in KINDS.items()
        }

    def names(self, kind: str) -> list[str]:
        """The names of a kind: `"cell"`, `"tokenizer"`, `"source"` or `"recipe"`."""
        return sorted(self._entries[kind])

    def component(self, kind: str, name: str, where: str = "") -> Entry[ComponentPlugin]:
        """The component of that name, which may be `distribution:name`.

        Raises:
            UnknownNameError: there is no such component; `where` is the place that gave the name.
            PluginError: the declaration of the plugin cannot be used.
            PluginConflictError: two distributions declare it.
        """
        return self._find(kind, name, where)

    def recipe(self, name: str) -> Entry[RecipePlugin]:
        """The recipe of that name, which may be `distribution:name`; raises as `component` does."""
        return self._find("recipe", name, "")

    def tasks(self) -> list[Entry[TaskPlugin]]:
        """Every kind of task that can be used, the built-in ones first."""
        return list(self._tasks)

    @cached_property
    def _tasks(self) -> list[Entry[TaskPlugin]]:
        every = [entry for entries in self._entries["task"].values() for entry in entries]
        return usable_tasks(every, KINDS, self.note)

    def task_of(self, source: Entry[Any], config: Any) -> Entry[TaskPlugin]:
        """The kind of task whose base class a source has; see `seqkit.registry.kinds.task_of`."""
        return task_of(source, config, self.tasks(), self.note)

    def note(self, origin: Origin, fault: str) -> None:
        """Keep a fault of an installed plugin; raise at once for a fault of a given one."""
        report = next(report for report in self.reports if report.origin is origin)
        if fault not in report.findings:
            _note(report, [fault])

    def entries(self) -> Iterator[tuple[str, Entry[Any]]]:
        """All declarations, each with its kind."""
        for kind in KINDS:
            for name in self.names(kind):
                yield from ((kind, entry) for entry in self._entries[kind][name])

    def report_of(self, implementation: pluggy.HookImpl) -> PluginReport:
        """The report of the plugin that a hook implementation belongs to."""
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
        # An installed plugin cannot replace a built-in of the same name; a given one must not be ignored.
        if len(found) > 1 and (given or not built_in):
            raise PluginConflictError(_conflict(kind, short, found, where))
        return (built_in or found)[0]

    def _raise_broken(self, kind: str, name: str, distribution: str, where: str) -> None:
        """Raise the error of the plugin whose declaration of a name cannot be used, if there is one."""
        hook, _ = KINDS[kind]
        report, reason = self._broken.get((hook, name), (None, ""))
        if report is None or distribution not in ("", report.origin.distribution):
            return
        place = f" ({where})" if where else ""
        plugin = f"the plugin {report.name!r} of {report.origin.distribution} {report.origin.version}".strip()
        raise PluginError(
            f"the {kind} {name!r}{place} cannot be used: {plugin} {reason}.\n"
            f"  Install what is missing, or fix the plugin: {report.origin.path}"
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
        return (
            f"To use one of your own: -p FILE.py. To list those of this environment ({sys.prefix}): "
            "seqkit plugins"
        )

    def _declared(self, hook: str, kind: type) -> dict[str, list[Entry[Any]]]:
        found: dict[str, list[Entry[Any]]] = defaultdict(list)
        # One implementation at a time, so that its plugin is known and a broken one does not stop the others.
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            report = self.report_of(implementation)
            if implementation.wrapper or implementation.hookwrapper:
                continue  # the loader has reported it
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
                        f'use = "{entry.origin.distribution}:{name}" selects this one'
                    )


def _conflict(kind: str, name: str, found: Sequence[Entry[Any]], where: str) -> str:
    """Message with the plugins that declare a name, and the remedy: a given one cannot be blocked."""
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
    """Keep the faults of an installed plugin; raise at once for those of a given one."""
    if faults and report.origin.given:
        raise PluginError(f"the plugin {report.name!r} cannot be used: it {'; it '.join(faults)}.")
    report.findings += faults


def registry_with(plugins: Sequence[Any]) -> Registry:
    """The registry of the built-ins, the installed plugins, and these plugins."""
    return Registry(plugins) if plugins else default_registry()


@cache
def default_registry() -> Registry:
    """The registry of the built-ins and the installed plugins."""
    return Registry()
