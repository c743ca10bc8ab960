"""Origin and status of a plugin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Origin:
    """The origin of a plugin's declarations."""

    distribution: str
    """Name of the installed distribution, or of the file or module if there is none."""
    version: str
    path: str
    """Path of the module."""
    source_text: str | None = field(default=None, repr=False)
    """Text of a single-file plugin, which a run keeps for reference."""
    sha256: str | None = None
    given: bool = False
    """Whether it was given with `-p` or `plugins=[...]`, not only installed."""


@dataclass
class PluginReport:
    """The status and the faults of one plugin."""

    name: str
    """The entry point, file or module; `-p no:NAME` blocks it by this name or by its distribution."""
    origin: Origin
    status: Literal["loaded", "failed", "blocked"] = "loaded"
    findings: list[str] = field(default_factory=list)
    hooks: tuple[str, ...] = ()
    """The hooks that it implements."""
