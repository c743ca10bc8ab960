"""What several processes have to agree on before they train one run: all of them, by their first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import seqkit
from seqkit.errors import RankError
from seqkit.fingerprint import fingerprint
from seqkit.recipe import ResolvedRecipe
from seqkit.registry import Registry
from seqkit.run.claim import claim
from seqkit.tasks import TaskData
from seqkit.training.ranks import Ranks


@contextmanager
def claimed(ranks: Ranks, out: str | Path | None, name: str, *, resume: bool = False) -> Iterator[Path]:
    """The directory that the first process claims; the others have its path, and do not touch it.

    For the arguments and errors see `claim`: all processes raise them.
    """
    with ExitStack() as stack:
        path = ranks.broadcast(lambda: str(stack.enter_context(claim(out, name, resume=resume))))
        yield Path(path)


def require_agreement(
    ranks: Ranks, recipe: ResolvedRecipe, registry: Registry, data: TaskData, saved: Any
) -> None:
    """Check that all processes have the same recipe, data and versions.

    Raises:
        RankError: one differs from the first; the message has its rank, and what differs.
    """
    own = _described(recipe, registry, data, saved)
    every = ranks.meet(own)
    for rank, other in enumerate(every):
        differing = [
            f"{name}: {first} in rank 0, {other.get(name, 'none')} in rank {rank}"
            for name, first in every[0].items()
            if other.get(name) != first
        ]
        differing += [f"{name}: only in rank {rank}" for name in other.keys() - every[0].keys()]
        if differing:
            host = f" ({ranks.hosts[rank]})" if ranks.hosts else ""
            error = RankError(
                f"rank {rank}{host} would train something else than rank 0:\n  "
                + "\n  ".join(differing)
                + "\n  Give every process the same recipe, data, plugins and versions."
            )
            error.exit_code = 2
            raise error


def _described(recipe: ResolvedRecipe, registry: Registry, data: TaskData, saved: Any) -> dict[str, str]:
    """What has to be the same, each as a short text. Where the data is may differ: its content counts."""
    tables = {name: table for name, table in recipe.tables().items() if name not in ("source", "description")}
    keys = {
        f"{name}.{key}": value
        for name, table in tables.items()
        if isinstance(table, dict)
        for key, value in table.items()
    }
    described = {
        **{name: version(name) for name in ("torch", "numpy")},
        "seqkit": seqkit.__version__,
        **{key: json.dumps(value, default=str) for key, value in keys.items()},
        "source.use": recipe.source.use,
        "the data": fingerprint([data.describe()]),
        "what is fitted to the data": fingerprint([saved]),
    }
    for report in registry.reports:
        if report.status == "loaded" and report.origin.distribution != "seqkit":
            version_of = report.origin.sha256 or report.origin.version
            described[f"plugin {report.origin.distribution}"] = str(version_of)[:12]
    return described
