"""Which runs can be continued, and with which changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from seqkit.errors import RunError
from seqkit.recipe import Recipe, ResolvedRecipe
from seqkit.registry import Registry
from seqkit.run import provenance, rundir
from seqkit.training.manifest import Manifest, list_checkpoints

logger = logging.getLogger(__name__)

MAY_CHANGE: Final = frozenset(
    f"train.{key}"
    for key in (
        *("steps", "epochs", "minutes", "patience", "evaluate_every", "log_every"),
        *("save_every", "keep_checkpoints", "learning_rate", "schedule", "warmup_steps", "final_fraction"),
        *("device", "threads", "compress", "timeout_minutes"),
    )
)
CHANGES_NUMBERS: Final = MAY_CHANGE - {
    f"train.{key}" for key in ("patience", "log_every", "save_every", "keep_checkpoints", "timeout_minutes")
}
"""After a change of these the result is not that of a training that was never interrupted."""


def saved_recipe(path: Path, registry: Registry) -> ResolvedRecipe:
    """The recipe of a run, with the changes of every time that it was resumed.

    Raises:
        RunError: a file of the run is damaged.
    """
    overrides = provenance.require_plugins(path, registry)
    overrides += _kept(path / rundir.RESUMED)
    return Recipe.load(path / rundir.RECIPE).override(overrides).resolve(registry)


def recipe_of(path: str | Path, registry: Registry) -> Recipe:
    """The recipe of a run, or of the seeds in a directory, to continue it with.

    Raises:
        RunError: there is no run.
    """
    path = Path(path)
    if not (path / rundir.RECIPE).exists() and (path / rundir.SEEDS).exists():
        path = path / "seed-0"
    rundir.require_run(path)
    recipe = saved_recipe(path, registry)
    name = rundir.read_object(path / rundir.PROVENANCE).get("recipe")
    return replace(recipe, name=name if isinstance(name, str) else recipe.name).as_recipe()


def differences(before: ResolvedRecipe, after: ResolvedRecipe) -> list[tuple[str, Any, Any]]:
    """The keys that two recipes have different values for, with both; `"none"` if there is no value."""
    was, now = _keys(before), _keys(after)
    return [
        (key, was.get(key, "none"), now.get(key, "none"))
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    ]


def changes(path: Path, saved: ResolvedRecipe, wanted: ResolvedRecipe) -> list[str]:
    """The overrides that make one recipe of the other; a change of the result is logged.

    Raises:
        RunError: a key has changed that makes it another run; the message has both values.
    """
    differing = differences(saved, wanted)
    refused = [
        f"  {key}: {was!r} in the run, {now!r} now" for key, was, now in differing if key not in MAY_CHANGE
    ]
    if refused:
        raise RunError(
            f"{path} cannot be continued with another recipe:\n"
            + "\n".join(refused)
            + f"\n  Leave these as they were, or train a new run: seqkit run {path} --out OTHER."
        )
    if numbers := [each for each in differing if each[0] in CHANGES_NUMBERS]:
        logger.warning(
            "%s: the result is no longer that of an uninterrupted training: changed %s",
            path,
            ", ".join(f"{key} ({was} -> {now})" for key, was, now in numbers),
        )
    if wanted.train.minutes is not None:
        logger.warning("%s: its budget is in minutes, so the step of its end depends on the machine", path)
    has_value = _keys(wanted)
    return [f"{key}={now}" if key in has_value else f"~{key}" for key, _, now in differing]


def keep(path: Path, overrides: Sequence[str]) -> None:
    """Write overrides to the run's directory, after those that are there."""
    if overrides:
        file = path / rundir.RESUMED
        rundir.write_json(file, {"overrides": [*_kept(file), *overrides]})


def require_unfinished(path: Path) -> None:
    """Check that nothing is lost if training begins again in a directory without a snapshot.

    Raises:
        RunError: it has weights of an earlier version, or checkpoints that are damaged.
    """
    folder = path / rundir.CHECKPOINTS
    if any(each.is_legacy for each in list_checkpoints(folder).values()):
        raise RunError(
            f"{path} cannot be continued: it was trained by an earlier version, which kept weights only.\n"
            "  Train its recipe in another directory: seqkit run DIR --out OTHER."
        )
    if any(folder.glob("damaged-step-*")):
        raise RunError(
            f"{path} cannot be continued: every checkpoint to resume from is damaged, or needs one that is.\n"
            "  Restore one from a copy, or train its recipe in another directory: seqkit run DIR --out OTHER."
        )


def require_the_same(path: Path, described: Mapping[str, Any], kept_file: str, saved: Any) -> None:
    """Check that data, tokenizer and plugins are those that the run was trained with.

    Raises:
        RunError: one of them has changed; the message says which.
    """
    before = rundir.read_object(path / rundir.PROVENANCE)
    if any(not isinstance(before.get(key), dict) for key in ("components", "data", "versions")):
        raise RunError(f"{path / rundir.PROVENANCE} is damaged: it describes no run.")
    for kind, part in described["components"].items():
        was = before.get("components", {}).get(kind, {}).get("sha256")
        if part.get("sha256") != was:
            raise RunError(
                f"{path} cannot be continued: the plugin file {part['distribution']} has changed since.\n"
                f"  Its text of then is in {path / rundir.PLUGIN_TEXTS}. Restore it, or train a new run."
            )
    data, was_data = described["data"], before.get("data", {})
    differing = sorted(key for key in data if data[key] != was_data.get(key))
    if differing or saved != rundir.read_json(path / kept_file):
        what = f"{', '.join(differing)}" if differing else kept_file
        raise RunError(
            f"{path} cannot be continued: its data has changed since ({what}).\n"
            "  Restore the data, or train a new run on it."
        )
    other = [
        f"{name} ({was} -> {now})"
        for name, was, now in (
            *(
                (name, before.get("versions", {}).get(name), now)
                for name, now in described["versions"].items()
            ),
            *((name, before.get(name), described[name]) for name in ("device", "threads", "platform")),
            ("ranks", before.get("ranks", 1), described["ranks"]),
        )
        if was != now
    ]
    if other:
        logger.warning(
            "%s: the result may not be bit for bit that of an uninterrupted training: other %s",
            path,
            ", ".join(other),
        )


def require_the_same_beginning(
    path: Path, before: Mapping[str, Any] | None, wanted: Mapping[str, Any]
) -> None:
    """Check that a run began with the weights that it is now said to begin with.

    Raises:
        RunError: it began with others, or with none.
    """
    if not isinstance(before, dict) or before.get("sha256") != wanted["sha256"]:
        was = f"those of {before.get('path')}" if isinstance(before, dict) else "weights of its own"
        raise RunError(
            f"{path} cannot be continued: it began with {was}, not with those of {wanted['path']}.\n"
            "  Resume it with the same --from, or without: seqkit resume DIR."
        )


def require_whole(path: Path, kept_file: str, manifest: Manifest) -> None:
    """Check the files of a run that a checkpoint belongs to.

    Raises:
        RunError: one has changed since the checkpoint was written.
    """
    if not manifest.run:
        return  # of an earlier version
    found = rundir.files_of_run(path, kept_file)
    for name, digest in manifest.run.items():
        if found.get(name) != digest:
            raise RunError(
                f"{path / name} is damaged or was edited: it is not the file that the checkpoint of step "
                f"{manifest.step} belongs to.\n  Restore it from a copy of the run."
            )


def _keys(recipe: ResolvedRecipe) -> dict[str, Any]:
    """The values of a recipe by their full keys, `train.steps`, without keys that have no value."""
    found: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        elif value is not None:
            found[prefix] = list(value) if isinstance(value, tuple) else value

    walk("", recipe.tables())
    return {key: value for key, value in found.items() if key not in ("name", "description")}


def _kept(file: Path) -> list[str]:
    """The overrides of earlier times."""
    kept = rundir.read_object(file).get("overrides") if file.exists() else []
    if not isinstance(kept, list) or not all(
        isinstance(each, str) and each.lstrip("~").partition("=")[0] in MAY_CHANGE for each in kept
    ):
        raise RunError(f"{file} is damaged: it holds no list of overrides that resuming accepts.")
    return kept
