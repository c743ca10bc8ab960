"""Provenance of a run: written when it is trained, read when it is opened."""

from __future__ import annotations

import logging
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import seqkit
from seqkit.errors import MissingPluginError, PluginConflictError, RunError, UnknownNameError
from seqkit.model import SequenceModel, device_of
from seqkit.recipe import ResolvedRecipe
from seqkit.registry import Registry
from seqkit.registry.registry import KINDS
from seqkit.run import rundir
from seqkit.tasks import TaskData
from seqkit.training.ranks import ALONE, Ranks

logger = logging.getLogger(__name__)


def describe(
    recipe: ResolvedRecipe,
    registry: Registry,
    data: TaskData,
    model: SequenceModel,
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """The contents of `provenance.json`, as plain JSON values."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": recipe.name,
        "kind": recipe.kind,
        "overrides": list(recipe.overrides),
        "versions": {
            "seqkit": seqkit.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "safetensors")},
        },
        "components": {
            kind: {
                "use": part.use,
                "distribution": part.entry.origin.distribution,
                "version": part.entry.origin.version,
                **({"sha256": part.entry.origin.sha256} if part.entry.origin.sha256 else {}),
            }
            for kind, part in recipe.components().items()
        },
        "plugins": [
            {
                "name": report.name,
                "distribution": report.origin.distribution,
                "version": report.origin.version,
            }
            for report in registry.reports
            if report.status == "loaded" and report.origin.distribution != "seqkit"
        ],
        "platform": platform.platform(),
        "device": str(device_of(model)),
        "threads": torch.get_num_threads(),
        "ranks": ranks.world,
        **({"backends": ranks.backends, "hosts": list(ranks.hosts)} if ranks.world > 1 else {}),
        "precision": recipe.train.precision,
        "engine": model.engine,
        "seed": recipe.train.seed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "data": data.describe(),
    }


def keep_plugin_texts(path: Path, registry: Registry) -> None:
    """Keep the text of single-file plugins in the run directory, for reading; it is never executed."""
    for report in registry.reports:
        if report.origin.source_text is not None:
            (path / rundir.PLUGIN_TEXTS).mkdir(exist_ok=True)
            (path / rundir.PLUGIN_TEXTS / report.origin.distribution).write_text(
                report.origin.source_text, "utf-8"
            )


def require_plugins(path: Path, registry: Registry) -> list[str]:
    """Check that the registry has every component of a run.

    Returns:
        Overrides for the recipe: if two plugins declare the same name now, they select the one of the run.
    Raises:
        MissingPluginError: a component is missing; the message names the plugin that the run needs.
    """
    overrides = []
    components = rundir.read_object(path / rundir.PROVENANCE).get("components")
    if not isinstance(components, dict) or not all(
        isinstance(part, dict)
        and all(isinstance(part.get(key), str) for key in ("use", "distribution", "version"))
        for part in components.values()
    ):
        raise RunError(f"{path / rundir.PROVENANCE} is damaged: it names no components.")
    for kind, part in components.items():
        use = part["use"]
        if kind not in KINDS:
            raise RunError(
                f"{path / rundir.PROVENANCE} is damaged: there are no components of kind {kind!r}."
            )
        try:
            origin = registry.component(kind, use).origin
        except UnknownNameError as error:
            raise MissingPluginError(_missing(path, kind, part)) from error
        except PluginConflictError:
            use = f"{part['distribution']}:{use}"
            origin = registry.component(kind, use).origin
            overrides.append(f"model.{kind}={use}" if kind in ("encoder", "head") else f"{kind}.use={use}")
        if part["distribution"] == origin.distribution and part.get("sha256") != origin.sha256:
            logger.warning("%s has changed since the run was trained", part["distribution"])
        elif (part["distribution"], part["version"]) != (origin.distribution, origin.version):
            trained = f"{part['distribution']} {part['version']}".strip()
            here = f"{origin.distribution} {origin.version}".strip()
            logger.warning(
                "the %s %r comes from %s, but the run was trained with %s", kind, part["use"], here, trained
            )
    return overrides


def _missing(path: Path, kind: str, part: dict[str, Any]) -> str:
    name = f"the {kind} {part['use']!r}"
    if "sha256" in part:
        return (
            f"{name} of this run comes from the single-file plugin {part['distribution']} "
            f"(SHA-256 {part['sha256'][:12]}...).\n"
            f"  Its text is in {path / rundir.PLUGIN_TEXTS / part['distribution']}, for reading. "
            f"If you trust it, load the file: -p {part['distribution']}"
        )
    if part["distribution"] == "python":
        return (
            f"{name} of this run was declared in a Python program, not in an installed plugin.\n"
            "  Pass the declaration again: seqkit.load(path, plugins=[...])"
        )
    return (
        f"{name} is not installed here. This run needs the plugin distribution "
        f"{part['distribution']!r} (version {part['version']}). Install it only if you trust it."
    )
