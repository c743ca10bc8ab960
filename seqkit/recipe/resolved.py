"""A validated recipe: every table typed, every default filled in."""

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
    """A component that a recipe names: its config, and its declaration."""

    use: str
    config: Config
    entry: Entry[Any]

    def options(self) -> dict[str, Any]:
        """The config as keyword arguments."""
        return {name: getattr(self.config, name) for name in type(self.config).model_fields}


@dataclass(frozen=True)
class ResolvedRecipe:
    """A validated recipe: every table typed, every default filled in."""

    name: str
    description: str
    overrides: tuple[str, ...]
    task: Entry[TaskPlugin]
    """The task that the model is trained for; it follows from the source."""
    source: Component
    cell: Component
    encoder: Component
    head: Component
    model: ModelConfig
    train: TrainConfig
    own: Mapping[str, Component | Config]
    """The components and tables that only recipes of this kind have, by name."""

    @property
    def kind(self) -> str:
        """The name of the task: `"text"`, `"series"`, or one of a plugin."""
        return self.task.declaration.name

    @property
    def tokenizer(self) -> Component:
        """The tokenizer; only recipes for text have one."""
        return cast(Component, self._own("tokenizer"))

    @property
    def data(self) -> DataConfig:
        """The table `[data]`; only recipes for text have it."""
        return cast(DataConfig, self._own("data"))

    @property
    def sample(self) -> SampleConfig:
        """The table `[sample]`; only recipes for text have it."""
        return cast(SampleConfig, self._own("sample"))

    @property
    def series(self) -> SeriesConfig:
        """The table `[series]`; only recipes for series have it."""
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
            **self.own,  # the components above keep their position
            "model": self.model,
            "train": self.train,
        }

    def components(self) -> dict[str, Component]:
        """The components in use, by kind; the encoder and the head only if they come from a plugin."""
        used = {kind: part for kind, part in self.parts().items() if isinstance(part, Component)}
        around = {"encoder": self.encoder, "head": self.head}
        return used | {
            kind: part for kind, part in around.items() if part.entry.origin.distribution != "seqkit"
        }

    def tables(self) -> dict[str, Any]:
        """The tables as plain values for TOML; keys without a value are left out."""
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
        """Write the recipe as TOML."""
        Path(path).write_text(self.to_toml(), "utf-8")

    def override(self, overrides: Sequence[str]) -> Recipe:
        """See `Recipe.override`."""
        return self.as_recipe().override(overrides)

    def with_data(self, path: str | Path | Sequence[str | Path] | Mapping[str, Any]) -> Recipe:
        """See `Recipe.with_data`."""
        return self.as_recipe().with_data(path)

    def as_recipe(self) -> Recipe:
        """A recipe that can be changed further."""
        from seqkit.recipe.recipe import Recipe  # here, because that module imports this one

        return Recipe.of_resolved(self)
