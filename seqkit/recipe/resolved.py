"""A recipe after it was validated: every table typed, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from seqkit.plugin import Config
from seqkit.recipe.tables import TEXT_ONLY, DataConfig, ModelConfig, SampleConfig, SeriesConfig, TrainConfig
from seqkit.registry import Entry

if TYPE_CHECKING:
    from seqkit.recipe.recipe import Recipe


@dataclass(frozen=True)
class Component:
    """A component that a recipe names: its config, and where it comes from."""

    use: str
    config: Config
    entry: Entry[Any]

    def options(self) -> dict[str, Any]:
        """The config as keywords."""
        return {name: getattr(self.config, name) for name in type(self.config).model_fields}


@dataclass(frozen=True)
class ResolvedRecipe:
    """A validated recipe: every table typed, every default filled in."""

    name: str
    description: str
    overrides: tuple[str, ...]
    source: Component
    tokenizer: Component
    data: DataConfig
    series: SeriesConfig | None
    """None for a recipe for text; else `tokenizer`, `data` and `sample` are not used."""
    cell: Component
    model: ModelConfig
    train: TrainConfig
    sample: SampleConfig

    def components(self) -> dict[str, Component]:
        """Those that are used, by kind."""
        used = {"source": self.source, "tokenizer": self.tokenizer, "cell": self.cell}
        return {kind: part for kind, part in used.items() if self.series is None or kind not in TEXT_ONLY}

    def tables(self) -> dict[str, Any]:
        """As TOML has it: plain values; a key without a value is left out."""
        tables: dict[str, Any] = {"description": self.description} if self.description else {}
        for name in ("source", "tokenizer", "data", "series", "cell", "model", "train", "sample"):
            table = getattr(self, name)
            if table is None or (self.series is not None and name in TEXT_ONLY):
                continue
            if isinstance(table, Component):
                tables[name] = {"use": table.use, **table.config.model_dump(exclude_none=True)}
            else:
                tables[name] = table.model_dump(exclude_none=True)
        return tables

    def to_toml(self) -> str:
        """The text of the file that `save` writes."""
        return tomli_w.dumps(self.tables())

    def save(self, path: str | Path) -> None:
        """Write it as TOML."""
        Path(path).write_text(self.to_toml(), "utf-8")

    def override(self, overrides: Sequence[str]) -> Recipe:
        """See `Recipe.override`."""
        return self.as_recipe().override(overrides)

    def with_data(self, path: str | Path | Sequence[str | Path] | Mapping[str, Any]) -> Recipe:
        """See `Recipe.with_data`."""
        return self.as_recipe().with_data(path)

    def as_recipe(self) -> Recipe:
        """A recipe to be changed further."""
        from seqkit.recipe.recipe import Recipe  # which imports this module

        return Recipe.of_resolved(self)
