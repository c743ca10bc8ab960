"""`Recipe`: load, change, resolve and save a recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqkit.errors import RecipeError
from seqkit.plugin import Config
from seqkit.recipe.draft import Draft, Place, read_draft
from seqkit.recipe.resolved import ResolvedRecipe
from seqkit.recipe.validation import validate_draft
from seqkit.registry import Registry, default_registry


class Recipe:
    """A complete description of a run, as given: from a TOML file, or table by table.

    It is validated as a whole, changes included, when it is resolved (`seqkit.train` does that), so
    that all of its faults are reported at once.

    Args:
        tables: the tables by name; each is a dict, or one of the typed tables.

    Example:
        >>> recipe = Recipe.load("quickstart").override(["cell.hidden_size=64"])
        >>> recipe.resolve().cell.config.hidden_size
        64
    """

    def __init__(self, *, name: str = "recipe", **tables: Mapping[str, Any] | Config | str) -> None:
        plain = {
            key: table.model_dump(exclude_unset=True) if isinstance(table, Config) else table
            for key, table in tables.items()
        }
        self.name = name
        self._draft = Draft(plain, Place("", Path.cwd())).copy()
        self._changes: tuple[str | _Data, ...] = ()

    @classmethod
    def load(cls, recipe: str | Path, registry: Registry | None = None) -> Recipe:
        """Load a recipe by name, from a file (a path that ends in `.toml` or has a separator), or of a run.

        Raises:
            UnknownNameError: no recipe has that name.
            RecipeError: the file is missing or not TOML.
        """
        path = Path(recipe)
        if isinstance(recipe, str) and not (recipe.endswith(".toml") or os.sep in recipe):
            path = (registry or default_registry()).recipe(recipe).declaration.path
        if path.is_dir():
            path = path / "recipe.toml"  # the directory of a run
        loaded = cls(name=path.absolute().parent.name if path.name == "recipe.toml" else path.stem)
        loaded._draft = read_draft(path)
        # The file of a run has every default, and may have keys that had no effect in its training.
        loaded._draft.is_resolved = path.name == "recipe.toml" and (path.parent / "provenance.json").exists()
        return loaded

    @classmethod
    def of_resolved(cls, resolved: ResolvedRecipe) -> Recipe:
        """A recipe that can be changed further."""
        made = cls(name=resolved.name, **resolved.tables())
        made._draft.is_resolved = True
        return made

    def with_data(self, path: str | Path | Sequence[str | Path] | Mapping[str, Any]) -> Recipe:
        """The recipe with the user's data in place of its source.

        The source is chosen by the kind of the files, when the recipe is resolved: `hf` for tables of texts
        (`.jsonl`, `.csv`, `.parquet`, ..., a folder that `save_to_disk` wrote), else `text`; a recipe for
        series reads `prices`. If the source stays the same, the keys that say how it is read are kept.

        Args:
            path: a file, a folder or a glob; a list of them, joined to one text in order; or a dict with one
                of these for each split.
        """
        return self._changed(_Data(str(path) if isinstance(path, Path) else path))

    def override(self, overrides: Sequence[str]) -> Recipe:
        """The recipe with the changes of `table.key=value`, in order.

        The right side is read as TOML, or as a string if it is not TOML. `none` leaves the key out, as
        `~table.key` does, unless the key takes that word as a text. `a,b` is a list if the key takes one.
        Setting `use` resets the table, except for keys that both components know.
        """
        if isinstance(overrides, Mapping):
            raise RecipeError("overrides", ["override takes a list of 'table.key=value', and got a dict"])
        return self._changed(*([overrides] if isinstance(overrides, str) else overrides))

    def __repr__(self) -> str:
        return f"Recipe({self.name!r}, changes={list(self._changes)!r})"

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides that were applied."""
        return tuple(change for change in self._changes if isinstance(change, str))

    def resolve(self, registry: Registry | None = None) -> ResolvedRecipe:
        """The recipe with every key validated and every default filled in.

        Raises:
            RecipeError: the recipe has faults; the error lists all of them.
        """
        registry = registry or default_registry()
        draft = self._draft.copy()
        for change in self._changes:
            if isinstance(change, _Data):
                draft.replace_source(change.path, registry)
            else:
                draft.override(change, registry)
        return validate_draft(draft, registry, self.name, self.overrides)

    def save(self, path: str | Path) -> None:
        """Write the recipe as TOML, fully resolved."""
        self.resolve().save(path)

    def _changed(self, *changes: str | _Data) -> Recipe:
        changed = Recipe(name=self.name)
        changed._draft = self._draft
        changed._changes = (*self._changes, *changes)
        return changed


@dataclass(frozen=True)
class _Data:
    path: Any
