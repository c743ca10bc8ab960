"""Finding and importing plugins, so that a broken one never stops seqkit.

pluggy's own `load_setuptools_entrypoints` is not used: it silently drops a second distribution with the
same entry-point name, and stops at the first one that fails to import.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

import seqkit
from seqkit.errors import PluginError, did_you_mean
from seqkit.plugin import (
    CellPlugin,
    EncoderPlugin,
    HeadPlugin,
    RecipePlugin,
    SourcePlugin,
    TaskPlugin,
    TokenizerPlugin,
    hookimpl,
)
from seqkit.registry import builtin, hookspecs
from seqkit.registry.origin import Origin, PluginReport

GROUP = "seqkit"
DISABLE_VARIABLE = "SEQKIT_DISABLE_PLUGINS"
HEAVY = ("torch", "tensorflow", "jax", "datasets", "pandas", "matplotlib")
HOOKS = {name for name in vars(hookspecs) if name.startswith("seqkit_")}
DECLARATION_HOOKS = {
    CellPlugin: "seqkit_cells",
    TokenizerPlugin: "seqkit_tokenizers",
    SourcePlugin: "seqkit_sources",
    EncoderPlugin: "seqkit_encoders",
    HeadPlugin: "seqkit_heads",
    TaskPlugin: "seqkit_tasks",
    RecipePlugin: "seqkit_recipes",
}


class Loader:
    """Loads the built-ins, the installed plugins and the given ones into one manager.

    Args:
        given: files (`"./mycell.py"`), modules, declarations such as `CellPlugin(...)`, objects with
            hook implementations, and `"no:NAME"` to block an installed plugin before its import
            (`"no:*"` blocks all of them).

    Raises:
        PluginError: a given plugin cannot be loaded.
    """

    def __init__(self, given: Sequence[Any] = ()) -> None:
        self.manager = pluggy.PluginManager("seqkit")
        self.manager.add_hookspecs(hookspecs)
        self.reports: list[PluginReport] = []
        blocked = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip()}
        blocked |= {
            item.removeprefix("no:") for item in given if isinstance(item, str) and item.startswith("no:")
        }
        self._register("seqkit", builtin, Origin("seqkit", seqkit.__version__, str(Path(builtin.__file__))))
        self._load_installed(blocked)
        for item in given:
            if not (isinstance(item, str) and item.startswith("no:")):
                self._load_given(item)

    def _load_installed(self, blocked: set[str]) -> None:
        for entry_point in _entry_points():
            distribution = entry_point.dist
            name, version = (distribution.name, distribution.version) if distribution else ("", "")
            origin = Origin(name, version, entry_point.module)
            report = PluginReport(entry_point.name, origin)
            if blocked & {entry_point.name, name, "*"}:
                report.status = "blocked"
                self.reports.append(report)
                continue
            unmet = _unmet_requirement(distribution)
            if unmet:
                self._fail(report, unmet)
                continue
            heavy_before = set(HEAVY) & set(sys.modules)
            try:
                module = entry_point.load()
            except (Exception, SystemExit) as error:  # a third-party module may raise anything
                self._fail(report, _import_failure(error))
                continue
            origin = Origin(name, version, str(getattr(module, "__file__", entry_point.module)))
            report = self._register(entry_point.name, module, origin)
            report.findings += _heavy_imports(module, heavy_before)

    def _load_given(self, item: Any) -> None:
        if isinstance(item, tuple(DECLARATION_HOOKS)):
            hook = next(hook for kind, hook in DECLARATION_HOOKS.items() if isinstance(item, kind))
            target = getattr(item, "target", None)
            path = getattr(target, "__module__", "") if not isinstance(target, str) else target
            self._register(
                str(getattr(item, "name", item)),
                _Declared(hook, item),
                Origin("python", "", path, given=True),
            )
        elif isinstance(item, str | Path):
            self._load_named(str(item))
        else:
            name = str(getattr(item, "__name__", type(item).__name__))
            self._register_given(name, item, _module_origin(name, item))

    def _load_named(self, name: str) -> None:
        if name.endswith(".py") or os.sep in name:
            module, origin = _load_file(Path(name))
        else:
            try:
                module = importlib.import_module(name)
            except (Exception, SystemExit) as error:
                raise PluginError(
                    f"the plugin module {name!r} cannot be loaded: {_import_failure(error)}"
                ) from error
            origin = _module_origin(name, module)
        self._register_given(name, module, origin)

    def _register_given(self, name: str, plugin: object, origin: Origin) -> None:
        if self.manager.is_registered(plugin):
            return  # an installed plugin that was given as well
        report = self._register(name, plugin, origin)
        if report.status == "failed":
            raise PluginError(f"the plugin {name!r} cannot be loaded: {'; '.join(report.findings)}")
        if not self.manager.get_hookcallers(plugin):
            hint = f" {report.findings[0]}" if report.findings else ""
            raise PluginError(
                f"the plugin {name!r} implements no hook.{hint}\n"
                "  Mark a function with @hookimpl, for example seqkit_cells()."
            )

    def _register(self, name: str, plugin: object, origin: Origin) -> PluginReport:
        report = PluginReport(name, origin)
        # One distribution may have several entry points, and two distributions may use the same name.
        key = f"{origin.distribution}:{name}#{len(self.reports)}"
        try:
            self.manager.register(plugin, name=key)
        except (pluggy.PluginValidationError, ValueError) as error:
            self.manager.unregister(name=key)
            self._fail(report, " ".join(str(error).split()))
            return report
        report.hooks = tuple(caller.name for caller in self.manager.get_hookcallers(plugin) or ())
        report.findings += self._hook_findings(plugin)
        self.reports.append(report)
        return report

    def _fail(self, report: PluginReport, finding: str) -> None:
        report.status = "failed"
        report.findings.append(finding)
        self.reports.append(report)

    def _hook_findings(self, plugin: object) -> Iterator[str]:
        implemented = {caller.name for caller in self.manager.get_hookcallers(plugin) or ()}
        for name in sorted(implemented - HOOKS):
            yield f"there is no hook {name}.{did_you_mean(name, HOOKS)}"
        for name in dir(plugin):
            if name.startswith("seqkit_") and callable(getattr(plugin, name)) and name not in implemented:
                yield f"{name} is not marked with @hookimpl, so it is not called"
        for name in sorted(implemented & set(DECLARATION_HOOKS.values())):
            for implementation in getattr(self.manager.hook, name).get_hookimpls():
                if implementation.plugin is plugin and (implementation.wrapper or implementation.hookwrapper):
                    yield f"{name} is a wrapper, so it is not called: a declaration hook returns a list"


class _Declared:
    """A plugin that consists of one declaration."""

    def __init__(self, hook: str, declaration: object) -> None:
        setattr(self, hook, hookimpl(lambda: [declaration]))


def _entry_points() -> list[importlib.metadata.EntryPoint]:
    """Entry points, sorted by distribution and name; a distribution that is on the path twice counts once."""
    found = {
        (point.dist.name if point.dist else "", point.name, point.value): point
        for point in importlib.metadata.entry_points(group=GROUP)
    }
    return [found[key] for key in sorted(found)]


def _unmet_requirement(distribution: importlib.metadata.Distribution | None) -> str:
    """Message if the distribution requires another version of seqkit; else an empty string."""
    for text in (distribution.requires if distribution else None) or ():
        if not text.lower().startswith("seqkit"):
            continue
        from packaging.requirements import Requirement

        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        fits = requirement.specifier.contains(seqkit.__version__, prereleases=True)
        if requirement.name.lower() == "seqkit" and not fits:
            return f"it requires seqkit{requirement.specifier}, and this is seqkit {seqkit.__version__}"
    return ""


def _load_file(path: Path) -> tuple[ModuleType, Origin]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PluginError(f"the plugin file {path} cannot be read: {error.strerror}.") from error
    digest = hashlib.sha256(data).hexdigest()
    # The digest in the name keeps two files of one name, or two versions of one file, separate.
    name = f"seqkit_file_{path.stem}_{digest[:12]}"
    text = data.decode("utf-8", "replace")
    origin = Origin(path.name, digest[:12], str(path.absolute()), text, digest, given=True)
    if name in sys.modules:
        return sys.modules[name], origin
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"the plugin file {path} is not a Python file: its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic resolves annotations in sys.modules
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(f"the plugin file {path} cannot be loaded: {_import_failure(error)}") from error
    return module, origin


def _module_origin(name: str, module: object) -> Origin:
    top = str(getattr(module, "__name__", name)).partition(".")[0]
    distributions = importlib.metadata.packages_distributions().get(top, [])
    version = importlib.metadata.version(distributions[0]) if distributions else ""
    path = str(getattr(module, "__file__", ""))
    distribution = distributions[0] if distributions else name
    return Origin(distribution, version, path, given=True)


def _import_failure(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.text:
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno}: {error.text.strip()})"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _heavy_imports(module: ModuleType, before: set[str]) -> Iterator[str]:
    held = {
        value.__name__.partition(".")[0] for value in vars(module).values() if isinstance(value, ModuleType)
    }
    heavy = set(HEAVY) & (held | (set(sys.modules) - before))
    if heavy:
        yield (
            f"it imports {', '.join(sorted(heavy))} when it is declared, which slows down every command; "
            'name the class lazily, as "module:attribute"'
        )
