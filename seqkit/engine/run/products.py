"""Matrix products in single precision on the CPU, by the faster of the two libraries in PyTorch.

`torch.mm` computes them with MKL, which is optimised less for processors that are not Intel's. oneDNN, which
PyTorch uses for its own LSTM, is up to 2.5 times faster if a product is large enough to make up for its
longer call, above all with a matrix that was packed in advance. PyTorch has no public function for that.
Its internal one is tested at first use, and not used if it is missing or wrong.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

MIN_MULTIPLICATIONS: Final = 1_500_000
"""Below this, about 32 x 128 x 384, the longer call takes more time than it saves."""

_ROWS_AT_A_TIME: Final = 1024
"""Rows per call of a tall product, since oneDNN copies both factors."""


def is_worth_packing(rows: int, matrix: Tensor) -> bool:
    """Whether products of `(rows, K)` tensors and this `(K, N)` matrix should be computed by oneDNN."""
    return (
        matrix.ndim == 2
        and matrix.dtype == torch.float32
        and matrix.device.type == "cpu"
        and rows * matrix.shape[0] * matrix.shape[1] >= MIN_MULTIPLICATIONS
        and _onednn_works()
    )


def pack(rows: int, matrix: Tensor) -> Tensor:
    """The `(K, N)` matrix in oneDNN's preferred layout for products with `(rows, K)` tensors."""
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(matrix.t().contiguous(), rows)
    return packed


def packed_product(left: Tensor, packed: Tensor, bias: Tensor | None = None) -> Tensor:
    """left @ matrix + bias; the bias is `(N,)`."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(left, packed, bias, "none", [], "")
    return result


def packed_product_and_sum(left: Tensor, packed: Tensor, addend: Tensor) -> Tensor:
    """left @ matrix + addend; the addend is `(rows, N)`."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise.binary(left, addend, packed, None, "add")
    return result


def tall_product(left: Tensor, right: Tensor, total: Tensor | None = None) -> Tensor:
    """left.t() @ right for `(R, M)` and `(R, N)` with many rows R: a gradient summed over batch and time.

    It is added to the total, if there is one.
    """
    if not _is_faster_by_onednn(left, right):
        return left.t() @ right if total is None else total.addmm_(left.t(), right)
    left, right = (
        left.contiguous(),
        right.contiguous(),
    )  # for a slice of a wider tensor, oneDNN takes 100 times as long
    parts = zip(torch.split(left, _ROWS_AT_A_TIME), torch.split(right, _ROWS_AT_A_TIME), strict=True)
    for rows, others in parts:
        product = packed_product(rows.t(), others.t())
        total = product if total is None else total.add_(product)
    assert total is not None  # there are rows
    return total


def product(left: Tensor, matrix: Tensor) -> Tensor:
    """left @ matrix for `(R, K)` and `(K, N)`, with its derivative."""
    if _is_faster_by_onednn(left, matrix):
        result: Tensor = _Product.apply(left, matrix)  # type: ignore[no-untyped-call]  # PyTorch has not typed it
        return result
    return torch.mm(left, matrix)


class _Product(torch.autograd.Function):
    """A product by oneDNN, whose derivative is two more products."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(left, matrix)
        return packed_product(left, matrix.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        left, matrix = ctx.saved_tensors
        for_left, for_matrix = ctx.needs_input_grad
        return (
            packed_product(gradient, matrix) if for_left else None,
            tall_product(left, gradient) if for_matrix else None,
        )


def _is_faster_by_onednn(left: Tensor, right: Tensor) -> bool:
    """Whether a product of a `(R, K)` tensor, or of its transpose, with the other is large enough."""
    return (
        left.dtype == right.dtype == torch.float32
        and left.device.type == "cpu"
        and left.numel() * right.shape[1] >= MIN_MULTIPLICATIONS
        and _onednn_works()
    )


@cache
def _onednn_works() -> bool:
    """Whether the internal functions exist, and are correct on a small example."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # PyTorch has not typed it
        return False
    left, matrix = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4)
    expected = left @ matrix
    try:
        packed = pack(2, matrix)
        found: list[Any] = [
            packed_product(left, packed),
            packed_product(left, packed, torch.zeros(4)),
            packed_product_and_sum(left, packed, torch.zeros(2, 4)),
            packed_product(left, matrix.t()),
        ]
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(torch.allclose(each, expected) for each in found)
