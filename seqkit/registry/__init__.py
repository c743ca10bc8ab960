"""The registry of components, recipes and tasks; the hooks that declare them; and the plugins."""

from seqkit.registry.behaviour import BehaviourHooks
from seqkit.registry.entry import Entry
from seqkit.registry.origin import Origin, PluginReport
from seqkit.registry.registry import Registry, default_registry, registry_with

__all__ = [
    "BehaviourHooks",
    "Entry",
    "Origin",
    "PluginReport",
    "Registry",
    "default_registry",
    "registry_with",
]
