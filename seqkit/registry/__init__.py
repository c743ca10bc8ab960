"""What is known by name, and the hooks through which it is declared."""

from seqkit.registry.registry import Entry, Registry, default_registry

__all__ = ["Entry", "Registry", "default_registry"]
