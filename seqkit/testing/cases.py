"""What is checked: a component, named or as a class, with a config."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch.utils import _pytree as pytree

from seqkit.cells import Cell
from seqkit.encoders import Encoder
from seqkit.engine import check_cell
from seqkit.errors import ContractError, RecipeError
from seqkit.heads import Head
from seqkit.plugin import ComponentPlugin
from seqkit.recipe.validation import ConfigFaultsError, validate_config
from seqkit.registry import registry_with
from seqkit.sources import SeriesSource, Source, TextSource
from seqkit.tasks.components import constructed
from seqkit.testing.kit import CheckFailedError
from seqkit.tokenizers import Tokenizer

SMALL = 6
"""Units of the cells that are checked, where nothing else is said: gradients are checked number by number."""

TRAINING_TEXTS = (
    "The quick brown fox jumps over the lazy dog. It's 3.14, isn't it?\n\nTwo  spaces,\ta tab.\n",
    "Съешь же ещё этих мягких французских булок.\n床前明月光,疑是地上霜。\nこんにちは世界\n",
    "café cafe\u0301 👩‍👩‍👧 🇨🇭 \u200b\0 end\n",
)


class _ComponentCase:
    """The name or class, and how it is made."""

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
        """Raise where the component does not exist or the config is wrong: no check would mean anything."""
        _ = self.target, self.config

    @property
    def name(self) -> str:
        """Of the component."""
        return self._component if isinstance(self._component, str) else self._component.__name__

    @cached_property
    def declaration(self) -> ComponentPlugin | None:
        """What the plugin declares; None for a class."""
        if not isinstance(self._component, str):
            return None
        return registry_with(self._plugins).component(self.kind, self._component).declaration

    @cached_property
    def target(self) -> Any:
        """The class."""
        return self.declaration.load() if self.declaration is not None else self._component

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config as keywords, the defaults filled in."""
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

    def _is_for_series(self, kind: str) -> bool:
        """Whether a head or an encoder is for series, by what it or that task declares."""
        if self.declaration is None:
            return False
        (series,) = (
            task.declaration
            for task in registry_with(self._plugins).tasks()
            if task.declaration.name == "series"
        )
        declared = getattr(self.declaration, "tasks", ())
        return self.declaration.name in getattr(series, kind) or "series" in declared

    @property
    def parameters(self) -> list[str]:
        """The keywords that the class takes its config by."""
        return list(inspect.signature(self.target).parameters)


class CellCase(_ComponentCase):
    """A cell, for instance `CellCase("minrnn", decay=0.5)` or `CellCase(MinRNN, hidden_size=6)`.

    Args:
        component: its name in a recipe, or the class.
        stochastic: whether a step draws random numbers in training; by default what its plugin declares.
            Such a cell is checked in evaluation mode, and in training under one seed.
        surrogate_gradients: whether its gradients differ from its derivative on purpose; likewise.
        plugins: besides the installed ones.
        expected_failures: checks that fail, each with the reason why that is right.
        config: its config; the field for its size is small where nothing is said.
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
        """A cell with weights from this seed; complex ones are as exact as real ones of the dtype."""
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            size = self.input_size if input_size is None else input_size
            cell = constructed(self.name, lambda: self.target(size, **self.config))
        if not isinstance(cell, Cell):
            raise ContractError(f"{self.name} is not a Cell: {type(cell).__name__}.")
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
    """The dtype for a tensor of a cell in this precision: integers stay, complex numbers stay complex."""
    if tensor.is_complex():
        return {torch.float64: torch.complex128}.get(dtype, torch.complex64)
    return dtype if tensor.is_floating_point() else tensor.dtype


class TokenizerCase(_ComponentCase):
    """A tokenizer, for instance `TokenizerCase("char")`.

    Args:
        component: its name in a recipe, or the class.
        texts: what it is trained on; by default several scripts.
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
        """The keywords of `train`."""
        return list(inspect.signature(self.target.train).parameters)

    @property
    def text(self) -> str:
        """What it is trained on, joined."""
        return "".join(self.texts)

    def train(self, texts: Sequence[str] | None = None) -> Tokenizer:
        """A tokenizer, trained on the texts of the case or on others."""
        tokenizer = self.target.train(iter(self.texts if texts is None else texts), **self.config)
        if not isinstance(tokenizer, Tokenizer):
            raise ContractError(f"{self.name}.train gives no Tokenizer: {type(tokenizer).__name__}.")
        return tokenizer


class HeadCase(_ComponentCase):
    """A head, for instance `HeadCase("linear")` or `HeadCase(MyHead, numbers=True)`.

    Args:
        component: its name in a recipe, or the class.
        numbers: whether it predicts numbers and not ids; by default what the tasks of its plugin say.
        plugins, expected_failures, config: see `CellCase`.
    """

    kind = "head"
    input_size = 8

    def __init__(
        self, component: str | Callable[..., Any], *, numbers: bool | None = None, **options: Any
    ) -> None:
        super().__init__(component, **options)
        self._numbers = numbers

    @cached_property
    def vocab_size(self) -> int | None:
        """Different ids that it predicts; None for numbers."""
        numbers = self._is_for_series("heads") if self._numbers is None else self._numbers
        return None if numbers else self.input_size

    def make(self, seed: int = 0) -> Head:
        """A head with weights from this seed, all of them moved: fresh ones may be zeros."""
        head = _seeded(self.name, lambda: self.target(self.input_size, self.vocab_size, **self.config), seed)
        if not isinstance(head, Head):
            raise ContractError(f"{self.name} is not a Head: {type(head).__name__}.")
        return head

    def outputs(self, head: Head, count: int) -> torch.Tensor:
        """Predictions for random hidden vectors, `(count, output_size)`."""
        generator = torch.Generator().manual_seed(2)
        hidden = torch.randn(count, self.input_size, generator=generator, dtype=torch.float64)
        outputs: torch.Tensor = head(hidden)
        return outputs.detach()

    def targets(self, count: int) -> torch.Tensor:
        """Random targets, `(count,)`."""
        generator = torch.Generator().manual_seed(4)
        if self.vocab_size is None:
            return torch.randn(count, generator=generator, dtype=torch.float64)
        return torch.randint(self.vocab_size, (count,), generator=generator)


class EncoderCase(_ComponentCase):
    """An encoder, for instance `EncoderCase("embedding")` or `EncoderCase(MyEncoder, numbers=True)`.

    Args:
        component: its name in a recipe, or the class.
        numbers: whether it reads rows of numbers and not ids; by default what the tasks of its plugin say.
        plugins, expected_failures, config: see `CellCase`.
    """

    kind = "encoder"
    input_size = 7

    def __init__(
        self, component: str | Callable[..., Any], *, numbers: bool | None = None, **options: Any
    ) -> None:
        super().__init__(component, **options)
        self._numbers = numbers

    @cached_property
    def reads_numbers(self) -> bool:
        """Whether it reads rows of numbers."""
        return self._is_for_series("encoders") if self._numbers is None else self._numbers

    def make(self, seed: int = 0) -> Encoder:
        """An encoder with weights from this seed."""
        encoder = _seeded(self.name, lambda: self.target(self.input_size, **self.config), seed)
        if not isinstance(encoder, Encoder):
            raise ContractError(f"{self.name} is not an Encoder: {type(encoder).__name__}.")
        return encoder

    def inputs(self, seed: int = 0) -> torch.Tensor:
        """Ids `(3, 5)`, or numbers `(3, 5, 7)`."""
        generator = torch.Generator().manual_seed(seed)
        if self.reads_numbers:
            return torch.randn(3, 5, self.input_size, generator=generator, dtype=torch.float64)
        return torch.randint(self.input_size, (3, 5), generator=generator)


def _seeded(name: str, construct: Callable[[], Any], seed: int) -> Any:
    """What is constructed, in double precision, with every parameter moved from where it starts."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        module = constructed(name, construct)
        if isinstance(module, torch.nn.Module):
            module = module.double()
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.3)
    return module


class SourceCase(_ComponentCase):
    """A source, for instance `SourceCase("text", path="a.txt", missing={"path": "nowhere.txt"})`.

    Args:
        component: its name in a recipe, or the class.
        missing: a config that names data that is not there.
        change: changes the data that the config names, so that the fingerprint has to change.
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
        """Whether it is one of series; else it is one of text."""
        if isinstance(self.target, type):
            return issubclass(self.target, SeriesSource)
        return isinstance(self.open(), SeriesSource)

    def open(self) -> Any:
        """The source: a `TextSource` or a `SeriesSource`."""
        return self._checked(self.target(**self.config))

    def read(self, source: Any, split: str) -> Iterator[Any]:
        """What a split gives, one by one, in a form that can be compared."""
        if isinstance(source, SeriesSource):
            for name, dates, values, columns in source.series(split):
                yield name, dates.dtype, dates.tobytes(), values.dtype, values.tobytes(), columns
        else:
            yield from source.pieces(split)

    def open_missing(self) -> Any:
        """The source of data that is not there."""
        if self._missing is None:
            raise CheckFailedError(
                "the case does not say which data is missing: SourceCase(..., missing={...})"
            )
        return self._checked(self.target(**{**self.config, **self._missing}))

    def change(self) -> None:
        """Change the data."""
        if self._change is None:
            raise CheckFailedError(
                "the case does not say how its data changes: SourceCase(..., change=function)"
            )
        self._change()

    def _checked(self, source: object) -> Source:
        if not isinstance(source, TextSource | SeriesSource):
            raise ContractError(f"{self.name} is no TextSource or SeriesSource: {type(source).__name__}.")
        return source
