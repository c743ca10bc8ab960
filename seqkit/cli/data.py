"""Names of the files that a command is about to read."""

from __future__ import annotations

from typing import Any

from seqkit.cli.foreign import echo


def name_data(recipe: Any, file: str | None, *, quiet: bool = False) -> None:
    """Name the files that are about to be read, on standard error.

    Args:
        recipe: the resolved recipe of a run.
        file: the file that is read in place of the recipe's own data, if any.
        quiet: whether to print nothing.
    """
    if not quiet:
        echo(f"reading {_files(recipe) if file is None else file}", err=True)


def _files(recipe: Any) -> str:
    """The paths of a source as the recipe gives them; the name of the source if it has none."""
    options = recipe.source.options()
    named = options.get("path")
    if named is None:
        return f"the source {recipe.source.use}" + (f", {options['name']}" if options.get("name") else "")
    if isinstance(named, dict):
        return "; ".join(f"{split}: {_joined(paths)}" for split, paths in named.items())
    files = options.get("data_files")
    return _joined(named) + (f", of it {_joined(files)}" if files else "")


def _joined(paths: Any) -> str:
    if isinstance(paths, dict):
        return "; ".join(f"{split}: {_joined(inner)}" for split, inner in paths.items())
    return paths if isinstance(paths, str) else ", ".join(paths)
