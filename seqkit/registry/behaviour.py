"""Calls of the behaviour hooks, in which a plugin that fails does not stop training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any

import pluggy

from seqkit.errors import PluginError
from seqkit.plugin import hookimpl
from seqkit.registry import hookspecs
from seqkit.registry.registry import KINDS, Registry

logger = logging.getLogger(__name__)

DECLARATIONS = {hook for hook, _ in KINDS.values()}


class BehaviourHooks:
    """Calls the implementations of a hook as pluggy does, with wrappers around the others.

    Args:
        registry: the registry of the plugins.
        strict: whether an exception of a plugin ends training as a PluginError; else it is logged, once for
            each plugin and hook.
    """

    def __init__(self, registry: Registry, strict: bool = False) -> None:
        self._strict = strict
        self._logged: set[tuple[str, str]] = set()
        self._manager = pluggy.PluginManager("seqkit")
        self._manager.add_hookspecs(hookspecs)
        # In the order of registration, from which pluggy's order of calls follows.
        for name, plugin in registry.manager.list_name_plugin():
            guarded = [
                self._guarded(implementation, caller.name, registry)
                for caller in registry.manager.get_hookcallers(plugin) or ()
                if caller.name not in DECLARATIONS
                for implementation in caller.get_hookimpls()
                if implementation.plugin is plugin
            ]
            if guarded:
                self._manager.register(_Guarded(guarded), name)

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a hook; the plugin that was registered last is called first, as in pluggy."""
        getattr(self._manager.hook, hook)(**arguments)

    def _guarded(self, implementation: pluggy.HookImpl, hook: str, registry: Registry) -> Callable[..., Any]:
        """The same implementation, but its exceptions are handled here."""
        plugin, function = registry.report_of(implementation).name, implementation.function

        @wraps(function)
        def plain(*arguments: Any, **keywords: Any) -> Any:
            try:
                return function(*arguments, **keywords)
            except Exception as error:
                return self._failed(plugin, hook, error)

        @wraps(function)
        def wrapper(*arguments: Any, **keywords: Any) -> Generator[None, Any, Any]:
            try:
                generator: Any = function(*arguments, **keywords)
                next(generator)
            except StopIteration:
                self._failed(plugin, hook, RuntimeError("a wrapper must yield once, but it does not yield"))
            except Exception as error:
                self._failed(plugin, hook, error)
            else:
                return (yield from self._resumed(generator, plugin, hook))
            return (yield)

        is_wrapper = implementation.wrapper or implementation.hookwrapper
        options: Any = {**implementation.opts, "specname": hook}
        marked: Callable[..., Any] = hookimpl(wrapper if is_wrapper else plain, **options)
        return marked

    def _resumed(self, generator: Any, plugin: str, hook: str) -> Generator[None, Any, Any]:
        """Run the rest of a wrapper, after its yield, with the outcome of the other implementations."""
        outcome: Any = None
        inner: BaseException | None = None
        failure: BaseException
        try:
            outcome = yield
        except BaseException as error:  # from the others: only if strict, or at Ctrl-C
            inner = error
        try:
            if inner is None:
                generator.send(outcome)
            else:
                generator.throw(inner)
        except StopIteration as end:
            return end.value
        except Exception as error:
            failure = error
        else:
            generator.close()
            failure = RuntimeError("a wrapper must yield once, but it yields twice")
        if failure is not inner:
            self._failed(plugin, hook, failure)
        if inner is not None:
            raise inner
        return outcome

    def _failed(self, plugin: str, hook: str, error: BaseException) -> None:
        said = f"the plugin {plugin} failed in {hook}: {type(error).__name__}: {error}"
        if self._strict:
            raise PluginError(said) from error
        if (plugin, hook) not in self._logged:
            self._logged.add((plugin, hook))
            logger.error("%s (logged once; training continues)", said)


class _Guarded:
    """The object that is registered for a plugin: its guarded implementations."""

    def __init__(self, functions: list[Callable[..., Any]]) -> None:
        for index, function in enumerate(functions):
            setattr(self, f"implementation_{index}", function)
