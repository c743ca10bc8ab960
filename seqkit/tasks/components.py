"""Construction of the components that a recipe names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch

from seqkit.cells import Cell, Stacked
from seqkit.engine.trace.lines import step_line
from seqkit.errors import ContractError, SeqkitError
from seqkit.model import SequenceModel
from seqkit.recipe import Component, ResolvedRecipe
from seqkit.sources import Source
from seqkit.tasks.base import Sizes

ASource = TypeVar("ASource", bound=Source)
Built = TypeVar("Built")


def open_source(component: Component, kind: type[ASource]) -> ASource:
    """The source that a recipe names.

    Args:
        component: the component of the recipe.
        kind: the base class that its declaration promises.
    Raises:
        ContractError: the source does not have that base class.
    """
    source = made(component)
    if not isinstance(source, kind):
        raise ContractError(
            f"the source {component.use!r} is declared as a {kind.__name__}, but opens a "
            f"{type(source).__name__}.\n  Correct `gives` in its SourcePlugin."
        )
    return source


def made(component: Component, *arguments: Any) -> Any:
    """The object that a component constructs from its config.

    Raises:
        ContractError: its constructor does not take a field of its config, or fails.
    """
    target = component.entry.load()
    try:
        inspect.signature(target).bind(*arguments, **component.options())
    except TypeError as error:
        raise ContractError(f"{component.use!r} does not take its own config: {error}.") from error
    return constructed(component.use, partial(target, *arguments, **component.options()))


def constructed(name: str, construct: Callable[[], Any]) -> Any:
    """The result of a third-party constructor.

    Raises:
        ContractError: the constructor fails; the message names the line.
    """
    try:
        return construct()
    except (SeqkitError, MemoryError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # third-party code may raise anything
        hint = ""
        if "before Module.__init__() call" in str(error):
            hint = "\n  Call super().__init__() first in its __init__."
        said = str(error).split("\n", 1)[0]
        place = step_line(error)
        raise ContractError(
            f"the constructor of {name!r} fails: {type(error).__name__}: {said}{place}{hint}"
        ) from error


def outline_model(recipe: ResolvedRecipe, sizes: Sizes) -> SequenceModel:
    """The model that the recipe describes, to count its parameters; on the meta device if possible."""
    return outlined(lambda: make_model(recipe, sizes))


def outlined(construct: Callable[[], Built]) -> Built:
    """The constructed object, on the meta device if possible; the random state is not changed."""
    try:
        with torch.device("meta"):
            return construct()
    except ContractError:  # a constructor may read values, for example to scale a matrix by its spectrum
        with torch.random.fork_rng([]):
            return construct()


def make_model(recipe: ResolvedRecipe, sizes: Sizes) -> SequenceModel:
    """The model that the recipe describes, with fresh weights.

    Args:
        recipe: the recipe, with the tables `[cell]` and `[model]`.
        sizes: the sizes of its data.
    """
    model = recipe.model
    read = sizes.features if sizes.vocab_size is None else sizes.vocab_size
    # The size of the encoder is needed first, but its weights are drawn after those of the cells.
    encoded = outlined(lambda: made(recipe.encoder, read)).output_size
    cells: list[Cell] = []
    for _ in range(model.layers):
        input_size = cells[-1].output_size if cells else encoded
        cells.append(made(recipe.cell, input_size))
    return SequenceModel(
        cells[0] if len(cells) == 1 else Stacked(cells),
        encoder=made(recipe.encoder, read),
        head=made(recipe.head, cells[-1].output_size, sizes.vocab_size),
        vocab_size=sizes.vocab_size,
        dropout=model.dropout,
        encoder_dropout=model.encoder_dropout,
        engine=model.engine,
        recompute_every=model.recompute_every,
    )
