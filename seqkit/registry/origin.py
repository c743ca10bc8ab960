"""Where a plugin comes from, and what was found out about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Origin:
    """Where the declarations of a plugin come from."""

    distribution: str
    """The installed distribution; the file or the module where it is none."""
    version: str
    path: str
    """Of the module."""
    source_text: str | None = field(default=None, repr=False)
    """The text of a single-file plugin: a run keeps it for reading."""
    sha256: str | None = None
    given: bool = False
    """Whether it was asked for with `-p` or `plugins=[...]`, and not just installed."""


@dataclass
class PluginReport:
    """One plugin: whether it was loaded, and what is wrong with it."""

    name: str
    """The entry point, file or module; `-p no:NAME` blocks it by this name or its distribution."""
    origin: Origin
    status: Literal["loaded", "failed", "blocked"] = "loaded"
    findings: list[str] = field(default_factory=list)
    hooks: tuple[str, ...] = ()
    """The hooks that it implements."""
