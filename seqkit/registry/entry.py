"""A declaration with its origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from seqkit.errors import PluginError
from seqkit.plugin import ComponentPlugin, RecipePlugin, TaskPlugin, load_target
from seqkit.registry.origin import Origin

Declared = TypeVar("Declared", bound="ComponentPlugin | RecipePlugin | TaskPlugin")


@dataclass(frozen=True)
class Entry(Generic[Declared]):
    """A declaration, and the plugin that it comes from."""

    declaration: Declared
    origin: Origin

    def load(self: Entry[Any]) -> Callable[..., Any]:
        """The class that a component declares.

        Raises:
            PluginError: it cannot be imported, or does not exist; the message names the plugin.
        """
        try:
            return load_target(self.declaration.name, self.declaration.target)
        except PluginError as error:
            plugin = f"{self.origin.distribution} {self.origin.version}".strip()
            raise PluginError(f"the plugin {plugin} fails: {error}") from error
