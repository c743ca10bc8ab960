"""The tensors of a cell that its step reads, by name, and how to run the step with others in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.utils import parametrize, stateless

Weights = dict[str, Tensor]


def weights_of(cell: nn.Module) -> Weights:
    """Parameters, buffers, and the weights that are functions of parameters, computed once an unroll.

    To be called inside `parametrize.cached()`, which keeps the computed ones.
    """
    tensors = [*cell.named_parameters(), *cell.named_buffers()]
    weights = {name: tensor for name, tensor in tensors if tensor.numel() and "parametrizations." not in name}
    for name, module, tensor_name in _parametrized(cell):
        weights[f"{name}::{tensor_name}"] = getattr(module, tensor_name)
    return weights


@contextmanager
def replaced(cell: nn.Module, weights: Weights) -> Iterator[None]:
    """Inside, the cell computes with these tensors; the names are those of `weights_of`."""
    cache = parametrize._cache
    before = dict(cache)
    for name, module, tensor_name in _parametrized(cell):
        cache[(id(module), tensor_name)] = weights[f"{name}::{tensor_name}"]
    plain = {name: tensor for name, tensor in weights.items() if "::" not in name}
    try:
        with stateless._reparametrize_module(cell, plain, tie_weights=True):
            yield
    finally:
        cache.clear()
        cache.update(before)


def _parametrized(cell: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Each weight that is a function of parameters: the module's path, the module, the weight's name."""
    for name, module in cell.named_modules():
        if parametrize.is_parametrized(module):
            for tensor_name in module.parametrizations:
                yield name, module, tensor_name
