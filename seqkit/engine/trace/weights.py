"""The tensors of a cell that its step reads, by name."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils import parametrize

Weights = dict[str, Tensor]


def weights_of(cell: nn.Module) -> Weights:
    """Parameters, buffers, and the parametrised weights, which are computed here."""
    tensors = [*cell.named_parameters(), *cell.named_buffers()]
    weights = {name: tensor for name, tensor in tensors if "parametrizations." not in name}
    for path, module in cell.named_modules():
        for name, compute in _computations(module):
            weights[f"{path}::{name}"] = compute()
    return weights


def is_parametrized(cell: nn.Module) -> bool:
    """Whether a weight of the cell is parametrised, that is, a function of parameters."""
    return any(parametrize.is_parametrized(module) for module in cell.modules())


def _computations(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The parametrised weights of one module, and the modules that compute them.

    These modules are called, instead of reading `module.weight`: PyTorch caches computed weights by the
    module that was parametrised first, and a deep copy would get the weights of that one.
    """
    if parametrize.is_parametrized(module):
        yield from module.parametrizations.items()  # type: ignore[operator, union-attr]  # a ModuleDict
