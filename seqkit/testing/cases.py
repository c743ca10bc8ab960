"""Cases: a component to check, by name or as a class, with a config."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch.utils import _pytree as pytree

from seqkit.cells import Cell
from seqkit.engine import check_cell
from seqkit.errors import ContractError, RecipeError
from seqkit.plugin import ComponentPlugin
from seqkit.recipe.validation import ConfigFaultsError, validate_config
from seqkit.registry import registry_with
from seqkit.sources import SeriesSource, Source, TextSource
from seqkit.tasks.components import constructed
from seqkit.testing.kit import CheckFailedError
from seqkit.tokenizers import Tokenizer

SMALL = 6
"""Default number of units of the cells that are checked: gradients are checked number by number."""

TRAINING_TEXTS = (
    "The quick brown fox jumps over the lazy dog. It's 3.14, isn't it?\n\nTwo  spaces,\ta tab.\n",
    "Съешь же ещё этих мягких французских булок.\n床前明月光,疑是地上霜。\nこんにちは世界\n",
    "café cafe\u0301 👩‍👩‍👧 🇨🇭 \u200b\0 end\n",
)


class ComponentCase:
    """A component, given by its name or its class, and how it is created."""

    kind: str

    def __init__(
        self,
        component: str | Callable[..., Any],
        *,
        plugins: Sequence[Any] = (),
        expected_failures: Mapping[str, str] | None = None,
        **config: Any,
    ) -> None:
        self._component = component
        self._plugins = plugins
        self.expected_failures: Mapping[str, str] = expected_failures or {}
        self._given = config

    def prepare(self) -> None:
        """Raise if the component does not exist or the config is wrong: no check would mean anything."""
        _ = self.target, self.config

    @property
    def name(self) -> str:
        """Name of the component."""
        return self._component if isinstance(self._component, str) else self._component.__name__

    @cached_property
    def declaration(self) -> ComponentPlugin | None:
        """The plugin's declaration of the component; None for a class."""
        if not isinstance(self._component, str):
            return None
        return registry_with(self._plugins).component(self.kind, self._component).declaration

    @cached_property
    def target(self) -> Any:
        """The class of the component."""
        return self.declaration.load() if self.declaration is not None else self._component

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config as keywords, with the defaults filled in."""
        if self.declaration is None:
            return dict(self._given)
        try:
            config = validate_config(self.declaration.config, self._given)
        except ConfigFaultsError as error:
            raise RecipeError(f"the config of {self.name}", [str(error)]) from error
        return {field: getattr(config, field) for field in type(config).model_fields}

    def missing_keywords(self) -> list[str]:
        """Fields of the config that the class does not take as keywords."""
        fields = self.declaration.config.model_fields if self.declaration is not None else self.config
        return [field for field in fields if field not in self.parameters]

    @property
    def parameters(self) -> list[str]:
        """Names of the constructor's parameters, which take the config."""
        return list(inspect.signature(self.target).parameters)


class CellCase(ComponentCase):
    """A cell, for instance `CellCase("minrnn", decay=0.5)` or `CellCase(MinRNN, hidden_size=6)`.

    Args:
        component: its name in a recipe, or the class.
        stochastic: whether a step draws random numbers in training; by default as its plugin declares.
            Such a cell is checked in evaluation mode, and in training under one seed.
        surrogate_gradients: whether its gradients differ from its derivative on purpose; by default as its
            plugin declares.
        plugins: plugins in addition to the installed ones.
        expected_failures: checks that are expected to fail, each with the reason.
        config: its config; the field for its size is small by default.
    """

    kind = "cell"
    input_size = 5

    def __init__(
        self,
        component: str | Callable[..., Any],
        *,
        stochastic: bool | None = None,
        surrogate_gradients: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(component, **options)
        self._stochastic, self._surrogate = stochastic, surrogate_gradients

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config as keywords; small, since gradients are checked number by number."""
        known = self.declaration.config.model_fields if self.declaration is not None else self.parameters
        size = self._declared("size_field", "hidden_size")
        if size in known:
            self._given = {size: SMALL, **self._given}
        return super().config

    @property
    def is_stochastic(self) -> bool:
        """Whether a step draws random numbers in training."""
        return self._declared("stochastic", False) if self._stochastic is None else self._stochastic

    @property
    def has_surrogate_gradients(self) -> bool:
        """Whether its gradients differ from its derivative on purpose."""
        return self._declared("surrogate_gradients", False) if self._surrogate is None else self._surrogate

    @cached_property
    def is_complex(self) -> bool:
        """Whether a parameter or a state of the cell is complex."""
        cell = self.make()
        tensors = [*cell.parameters(), *pytree.tree_leaves(cell.initial_state(1))]
        return any(tensor.is_complex() for tensor in tensors)

    def make(self, dtype: torch.dtype = torch.float64, seed: int = 0, input_size: int | None = None) -> Cell:
        """A cell with weights from this seed; complex ones have the precision of the dtype."""
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            size = self.input_size if input_size is None else input_size
            cell = constructed(self.name, lambda: self.target(size, **self.config))
        if not isinstance(cell, Cell):
            raise ContractError(
                f"{self.name} must be a Cell, got {type(cell).__name__}.\n"
                "  Derive the class from seqkit.plugin.Cell."
            )
        check_cell(cell)
        cell._apply(lambda tensor: tensor.to(_dtype_like(tensor, dtype)))  # type: ignore[no-untyped-call]
        return cell.eval() if self.is_stochastic else cell

    def _declared(self, field: str, default: Any) -> Any:
        return default if self.declaration is None else getattr(self.declaration, field)

    @cached_property
    def has_scan(self) -> bool:
        """Whether the cell computes whole sequences itself."""
        return hasattr(self.target, "scan")


def _dtype_like(tensor: torch.Tensor, dtype: torch.dtype) -> torch.dtype:
    """The dtype for a tensor of a cell in this precision; integers keep theirs, complex ones stay complex."""
    if tensor.is_complex():
        return {torch.float64: torch.complex128}.get(dtype, torch.complex64)
    return dtype if tensor.is_floating_point() else tensor.dtype


class TokenizerCase(ComponentCase):
    """A tokenizer, for instance `TokenizerCase("char")`.

    Args:
        component: its name in a recipe, or the class.
        texts: training texts; by default texts in several scripts.
        plugins, expected_failures, config: see `CellCase`.
    """

    kind = "tokenizer"

    def __init__(
        self, component: str | Callable[..., Any], *, texts: Sequence[str] = TRAINING_TEXTS, **options: Any
    ) -> None:
        super().__init__(component, **options)
        self.texts = texts

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters of `train`."""
        return list(inspect.signature(self.target.train).parameters)

    @property
    def text(self) -> str:
        """The training texts, joined."""
        return "".join(self.texts)

    def train(self, texts: Sequence[str] | None = None) -> Tokenizer:
        """A tokenizer, trained on the texts of the case or on others."""
        tokenizer = self.target.train(iter(self.texts if texts is None else texts), **self.config)
        if not isinstance(tokenizer, Tokenizer):
            raise ContractError(
                f"{self.name}.train must return a Tokenizer, got {type(tokenizer).__name__}.\n"
                "  Return an instance of the class, for instance cls(...)."
            )
        return tokenizer


class SourceCase(ComponentCase):
    """A source, for instance `SourceCase("text", path="a.txt", missing={"path": "nowhere.txt"})`.

    Args:
        component: its name in a recipe, or the class.
        missing: a config that names missing data.
        change: function that changes the data, so that the fingerprint has to change.
        plugins, expected_failures, config: see `CellCase`.
    """

    kind = "source"

    def __init__(
        self,
        component: str | Callable[..., Any],
        *,
        missing: Mapping[str, Any] | None = None,
        change: Callable[[], Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(component, **options)
        self._missing, self._change = missing, change

    @cached_property
    def is_series(self) -> bool:
        """Whether it is a source of series; else it is a source of text."""
        if isinstance(self.target, type):
            return issubclass(self.target, SeriesSource)
        return isinstance(self.open(), SeriesSource)

    def open(self) -> Any:
        """Open the source: a `TextSource` or a `SeriesSource`."""
        return self._checked(self.target(**self.config))

    def read(self, source: Any, split: str) -> Iterator[Any]:
        """The pieces or series of a split, one by one, in a form that can be compared."""
        if isinstance(source, SeriesSource):
            for name, dates, values, columns in source.series(split):
                yield name, dates.dtype, dates.tobytes(), values.dtype, values.tobytes(), columns
        else:
            yield from source.pieces(split)

    def open_missing(self) -> Any:
        """Open a source whose data is missing."""
        if self._missing is None:
            raise CheckFailedError(
                "the case needs a config that names missing data.\n  Add it: SourceCase(..., missing={...})"
            )
        return self._checked(self.target(**{**self.config, **self._missing}))

    def change(self) -> None:
        """Change the data of the source."""
        if self._change is None:
            raise CheckFailedError(
                "the case needs a function that changes its data.\n  Add it: SourceCase(..., change=function)"
            )
        self._change()

    def _checked(self, source: object) -> Source:
        if not isinstance(source, TextSource | SeriesSource):
            raise ContractError(
                f"{self.name} must be a TextSource or a SeriesSource, got {type(source).__name__}.\n"
                "  Derive the class from one of the two."
            )
        return source
