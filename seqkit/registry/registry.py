"""What is known by name: cells, tokenizers, sources and recipes, and where each comes from."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import pluggy

from seqkit.errors import UnknownNameError
from seqkit.plugin import ComponentPlugin, RecipePlugin
from seqkit.registry import builtin, hookspecs

Declared = TypeVar("Declared", bound="ComponentPlugin | RecipePlugin")

KINDS = {
    "cell": "seqkit_cells",
    "tokenizer": "seqkit_tokenizers",
    "source": "seqkit_sources",
    "recipe": "seqkit_recipes",
}


@dataclass(frozen=True)
class Entry(Generic[Declared]):
    """A declaration, and the distribution that it came with."""

    declaration: Declared
    distribution: str
    version: str


class Registry:
    """What the plugins of one manager declare."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._components: dict[str, dict[str, Entry[ComponentPlugin]]] = {}
        self.recipes: Mapping[str, Entry[RecipePlugin]] = {}
        for kind, hook in KINDS.items():
            entries = {}
            for implementation in getattr(manager.hook, hook).get_hookimpls():
                version = importlib.metadata.version(implementation.plugin_name)
                for declaration in implementation.function():
                    entries[declaration.name] = Entry(declaration, implementation.plugin_name, version)
            if kind == "recipe":
                self.recipes = entries
            else:
                self._components[kind] = entries

    def names(self, kind: str) -> list[str]:
        """The names of a kind of component: `"cell"`, `"tokenizer"` or `"source"`."""
        return sorted(self._components[kind])

    def component(self, kind: str, name: str, where: str = "") -> Entry[ComponentPlugin]:
        """The component by that name.

        Raises:
            UnknownNameError: there is none; `where` says where the name was given.
        """
        entry = self._components[kind].get(name)
        if entry is None:
            raise UnknownNameError(kind, name, self.names(kind), where)
        return entry

    def recipe(self, name: str) -> Entry[RecipePlugin]:
        """The recipe by that name.

        Raises:
            UnknownNameError: there is none.
        """
        if name not in self.recipes:
            raise UnknownNameError("recipe", name, self.recipes)
        return self.recipes[name]


@cache
def default_registry() -> Registry:
    """The built-ins."""
    manager = pluggy.PluginManager("seqkit")
    manager.add_hookspecs(hookspecs)
    manager.register(builtin, name="seqkit")
    return Registry(manager)
