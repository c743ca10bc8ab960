"""A recipe after it was validated: every table typed, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tomli_w

from seqkit.plugin import Config, TaskPlugin
from seqkit.recipe.tables import ModelConfig, TrainConfig
from seqkit.registry import Entry
from seqkit.registry.tables import DataConfig, SampleConfig, SeriesConfig

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
    task: Entry[TaskPlugin]
    """What the model is trained to do; it follows from the source."""
    source: Component
    cell: Component
    encoder: Component
    head: Component
    model: ModelConfig
    train: TrainConfig
    own: Mapping[str, Component | Config]
    """The components and tables of recipes of this kind, by name."""

    @property
    def kind(self) -> str:
        """The name of the task: `"text"`, `"series"`, or that of a plugin."""
        return self.task.declaration.name

    @property
    def tokenizer(self) -> Component:
        """Of a recipe for text."""
        return cast(Component, self._own("tokenizer"))

    @property
    def data(self) -> DataConfig:
        """Of a recipe for text."""
        return cast(DataConfig, self._own("data"))

    @property
    def sample(self) -> SampleConfig:
        """Of a recipe for text."""
        return cast(SampleConfig, self._own("sample"))

    @property
    def series(self) -> SeriesConfig:
        """Of a recipe for series."""
        return cast(SeriesConfig, self._own("series"))

    def _own(self, name: str) -> Component | Config:
        if name not in self.own:
            raise AttributeError(f"a recipe for {self.kind} has no [{name}]")
        return self.own[name]

    def parts(self) -> dict[str, Component | Config]:
        """All tables and components, by name, in the order of the file."""
        components = {name: part for name, part in self.own.items() if isinstance(part, Component)}
        return {
            "source": self.source,
            **components,
            "cell": self.cell,
            **self.own,  # those above keep their place
            "model": self.model,
            "train": self.train,
        }

    def components(self) -> dict[str, Component]:
        """Those that are used, by kind; of encoder and head those that come from a plugin."""
        used = {kind: part for kind, part in self.parts().items() if isinstance(part, Component)}
        around = {"encoder": self.encoder, "head": self.head}
        return used | {
            kind: part for kind, part in around.items() if part.entry.origin.distribution != "seqkit"
        }

    def tables(self) -> dict[str, Any]:
        """As TOML has it: plain values; a key without a value is left out."""
        tables: dict[str, Any] = {"description": self.description} if self.description else {}
        for name, part in self.parts().items():
            if isinstance(part, Component):
                tables[name] = {"use": part.use, **part.config.model_dump(exclude_none=True)}
            else:
                tables[name] = part.model_dump(exclude_none=True)
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
