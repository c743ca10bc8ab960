"""Calling the behaviour hooks, so that a plugin that fails does not stop training."""

from __future__ import annotations

import logging
from typing import Any

from seqkit.errors import PluginError
from seqkit.registry.registry import Registry

logger = logging.getLogger(__name__)


class BehaviourHooks:
    """Calls each implementation of a hook alone.

    Args:
        registry: of the plugins.
        strict: what a plugin raises ends training as a PluginError; else it is logged once a plugin and hook.
    """

    def __init__(self, registry: Registry, strict: bool = False) -> None:
        self._registry, self._strict = registry, strict
        self._told: set[tuple[str, str]] = set()

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a hook; the plugin that was registered last comes first, as pluggy has it."""
        for implementation in reversed(getattr(self._registry.manager.hook, hook).get_hookimpls()):
            wanted = {name: arguments[name] for name in implementation.argnames}
            try:
                implementation.function(**wanted)
            except Exception as error:
                plugin = self._registry.report_of(implementation).name
                said = f"the plugin {plugin} failed in {hook}: {type(error).__name__}: {error}"
                if self._strict:
                    raise PluginError(said) from error
                if (plugin, hook) not in self._told:
                    self._told.add((plugin, hook))
                    logger.error("%s (told once; training goes on)", said)
