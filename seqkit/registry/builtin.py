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
    """Units of the hidden state."""


class CharConfig(TokenizerConfig):
    """One token a Unicode code point."""

    errors: Literal["replace", "strict"] = "replace"
    """An unknown character is read as `<unk>`, or is an error."""


class WordConfig(TokenizerConfig):
    """One token a word, number, mark or white space; in Chinese and Japanese, one a character."""

    lowercase: bool = False
    """Words are read, and generated, in lower case."""
    min_count: int = Field(default=1, ge=1)
    """How often a word has to stand in the training text to be a token."""
    max_vocab: int | None = Field(default=None, ge=2)
    """The most tokens, `<unk>` counted: the rarest words are left out."""
    unknown: Literal["token", "spell"] = "token"
    """An unknown word is read as `<unk>`, or spelled in the characters of the training text."""


class TextConfig(SourceConfig):
    """Text files: a path, a list, a glob, or one of these a split."""

    path: DataPath | list[DataPath] | dict[str, DataPath | list[DataPath]]
    """A `.txt` or `.gz` file, a list, a glob, or `{train = ..., validation = ..., test = ...}`."""
    encoding: str = "utf-8"
    """Any of Python's; UTF-8 with or without byte order mark by default."""
    newlines: Literal["lf", "keep"] = "lf"
    """CRLF and CR become LF, or stay."""
    on_error: Literal["strict", "replace"] = "strict"
    """Invalid bytes are an error, or are read as U+FFFD and counted."""


class SamplesConfig(SourceConfig):
    """Data that is on every machine already: `python-docs`, the Python language reference."""

    name: str = "python-docs"
    """Which."""


@hookimpl
def seqkit_cells() -> list[CellPlugin]:
    """The scratch RNN."""
    return [CellPlugin("rnn", RNNConfig, "seqkit.cells:RNN")]


@hookimpl
def seqkit_tokenizers() -> list[TokenizerPlugin]:
    """Characters and words."""
    return [
        TokenizerPlugin("char", CharConfig, "seqkit.tokenizers:CharTokenizer"),
        TokenizerPlugin("word", WordConfig, "seqkit.tokenizers:WordTokenizer"),
    ]


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
