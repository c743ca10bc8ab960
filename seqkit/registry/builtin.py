"""The built-in components and recipes, declared through the hooks that every plugin uses."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from seqkit.plugin import (
    CellConfig,
    CellPlugin,
    DataPath,
    RecipePlugin,
    SourceConfig,
    SourcePlugin,
    TokenizerConfig,
    TokenizerPlugin,
    hookimpl,
)

RECIPES = Path(__file__).parent.parent / "recipes"


class RNNConfig(CellConfig):
    """The scratch RNN: three weight matrices and a tanh."""

    hidden_size: int = Field(default=128, ge=1)


class CharConfig(TokenizerConfig):
    """One token a Unicode code point."""

    errors: Literal["replace", "strict"] = "replace"


class TextConfig(SourceConfig):
    """Text files: a path, a list, a glob, or one of these a split."""

    path: DataPath | list[DataPath] | dict[str, DataPath | list[DataPath]]
    encoding: str = "utf-8"
    newlines: Literal["lf", "keep"] = "lf"
    on_error: Literal["strict", "replace"] = "strict"


class SamplesConfig(SourceConfig):
    """Data that is on every machine already: `python-docs`, the Python language reference."""

    name: str = "python-docs"


@hookimpl
def seqkit_cells() -> list[CellPlugin]:
    """The scratch RNN."""
    return [CellPlugin("rnn", RNNConfig, "seqkit.cells:RNN")]


@hookimpl
def seqkit_tokenizers() -> list[TokenizerPlugin]:
    """Characters."""
    return [TokenizerPlugin("char", CharConfig, "seqkit.tokenizers:CharTokenizer")]


@hookimpl
def seqkit_sources() -> list[SourcePlugin]:
    """Text files and samples."""
    return [
        SourcePlugin("text", TextConfig, "seqkit.sources:TextFiles"),
        SourcePlugin("samples", SamplesConfig, "seqkit.sources.samples:open_sample"),
    ]


@hookimpl
def seqkit_recipes() -> list[RecipePlugin]:
    """The recipes that ship."""
    return [RecipePlugin(path.stem, path) for path in sorted(RECIPES.glob("*.toml"))]
