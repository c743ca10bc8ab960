"""The hooks that a plugin may implement."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from seqkit.plugin import CellPlugin, RecipePlugin, SourcePlugin, TokenizerPlugin

hookspec = pluggy.HookspecMarker("seqkit")


@hookspec
def seqkit_cells() -> Sequence[CellPlugin]:
    """The cells that the plugin brings."""
    return ()


@hookspec
def seqkit_tokenizers() -> Sequence[TokenizerPlugin]:
    """The tokenizers that the plugin brings."""
    return ()


@hookspec
def seqkit_sources() -> Sequence[SourcePlugin]:
    """The sources that the plugin brings."""
    return ()


@hookspec
def seqkit_recipes() -> Sequence[RecipePlugin]:
    """The recipes that the plugin brings."""
    return ()
