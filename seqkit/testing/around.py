"""Cases for the components around a cell: a head or an encoder, by name or as a class, with a config."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch

from seqkit.encoders import Encoder
from seqkit.errors import ContractError
from seqkit.heads import Head
from seqkit.registry import registry_with
from seqkit.tasks.components import constructed
from seqkit.testing.cases import ComponentCase


class _AroundCase(ComponentCase):
    def __init__(
        self, component: str | Callable[..., Any], *, numbers: bool | None = None, **options: Any
    ) -> None:
        super().__init__(component, **options)
        self._numbers = numbers

    def is_of_numbers(self, kind: str) -> bool:
        """Whether it is for numbers: as the case says, or as the component and the task of series declare."""
        if self._numbers is not None or self.declaration is None:
            return bool(self._numbers)
        (series,) = (
            task.declaration
            for task in registry_with(self._plugins).tasks()
            if task.declaration.name == "series"
        )
        declared = getattr(self.declaration, "tasks", ())
        return self.declaration.name in getattr(series, kind) or "series" in declared


class HeadCase(_AroundCase):
    """A head, for instance `HeadCase("linear")` or `HeadCase(MyHead, numbers=True)`.

    Args:
        component: its name in a recipe, or the class.
        numbers: whether it predicts numbers instead of ids; by default as the tasks of its plugin declare.
        plugins, expected_failures, config: see `CellCase`.
    """

    kind = "head"
    input_size = 8

    @cached_property
    def vocab_size(self) -> int | None:
        """Number of different ids that it predicts; None for numbers."""
        return None if self.is_of_numbers("heads") else self.input_size

    def make(self, seed: int = 0) -> Head:
        """A head with weights from this seed; noise is added to all, since initial ones may be zeros."""
        head = _seeded(self.name, lambda: self.target(self.input_size, self.vocab_size, **self.config), seed)
        if not isinstance(head, Head):
            raise ContractError(
                f"{self.name} must be a Head, got {type(head).__name__}.\n"
                "  Derive the class from seqkit.plugin.Head."
            )
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


class EncoderCase(_AroundCase):
    """An encoder, for instance `EncoderCase("embedding")` or `EncoderCase(MyEncoder, numbers=True)`.

    Args:
        component: its name in a recipe, or the class.
        numbers: whether it reads rows of numbers instead of ids; by default as the tasks of its plugin
            declare.
        plugins, expected_failures, config: see `CellCase`.
    """

    kind = "encoder"
    input_size = 7

    @cached_property
    def reads_numbers(self) -> bool:
        """Whether it reads rows of numbers."""
        return self.is_of_numbers("encoders")

    def make(self, seed: int = 0) -> Encoder:
        """An encoder with weights from this seed."""
        encoder = _seeded(self.name, lambda: self.target(self.input_size, **self.config), seed)
        if not isinstance(encoder, Encoder):
            raise ContractError(
                f"{self.name} must be an Encoder, got {type(encoder).__name__}.\n"
                "  Derive the class from seqkit.plugin.Encoder."
            )
        return encoder

    def inputs(self, seed: int = 0) -> torch.Tensor:
        """Random inputs: ids `(3, 5)`, or numbers `(3, 5, 7)`."""
        generator = torch.Generator().manual_seed(seed)
        if self.reads_numbers:
            return torch.randn(3, 5, self.input_size, generator=generator, dtype=torch.float64)
        return torch.randint(self.input_size, (3, 5), generator=generator)


def _seeded(name: str, construct: Callable[[], Any], seed: int) -> Any:
    """The constructed module in double precision, with noise added to every initial parameter."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        module = constructed(name, construct)
        if isinstance(module, torch.nn.Module):
            module = module.double()
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.3)
    return module
