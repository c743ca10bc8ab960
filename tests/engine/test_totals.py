"""Sums over the steps, chunk by chunk, compared with a loop over single steps."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from seqkit.engine.run.products import tall_product
from seqkit.engine.run.totals import Totals

BATCH, TIME = 3, 7


def product(rows: Tensor, other: Tensor, fixed: Tensor, ids: Tensor) -> list[Tensor]:
    found = rows.t() @ other
    return [found, found.t(), found.flatten()]


def further_product(rows: Tensor, other: Tensor, fixed: Tensor, ids: Tensor) -> list[Tensor]:
    return [(rows.t() @ other) @ fixed, fixed @ -(other.t() @ rows)]


def rows_added_up(rows: Tensor, other: Tensor, fixed: Tensor, ids: Tensor) -> list[Tensor]:
    return [rows.sum(0), (rows * other[:, :4]).sum(0, True).view(-1), rows.t() @ other + other[0]]


def rows_of_ids(rows: Tensor, other: Tensor, fixed: Tensor, ids: Tensor) -> list[Tensor]:
    of_ids = partial(torch.ops.aten.embedding_dense_backward, rows, ids, 3)
    return [of_ids(-1, False), of_ids(1, False), of_ids(-1, True)]


def pairs(rows: Tensor, other: Tensor, fixed: Tensor, ids: Tensor) -> list[Tensor]:
    return [torch.bmm(rows.view(BATCH, 2, 2).permute(1, 2, 0), other.view(BATCH, 2, 2).transpose(0, 1))]


@pytest.mark.parametrize("function", [product, further_product, rows_added_up, rows_of_ids, pairs])
def test_totals(function: Callable[..., list[Tensor]]) -> None:
    torch.manual_seed(0)
    rows, other = torch.randn(2, TIME, BATCH, 4, dtype=torch.float64)
    fixed, ids = torch.randn(4, 4, dtype=torch.float64), torch.randint(3, (TIME, BATCH))
    expected: list[Any] = [0] * len(function(rows[0], other[0], fixed, ids[0]))
    for t in range(TIME):
        found = function(rows[t], other[t], fixed, ids[t])
        expected = [total + each for total, each in zip(expected, found, strict=True)]

    stage = make_fx(function)(rows[0], other[0], fixed, ids[0])
    totals = Totals(stage, [True, True, False, True], range(len(expected)), tall_product)
    for chunk in (slice(0, 3), slice(3, 4), slice(4, TIME)):
        assert totals.add([rows[chunk], other[chunk], fixed, ids[chunk]]) == []
    results = totals.results()
    for result, total in zip(results, expected, strict=True):
        torch.testing.assert_close(result, total)
    assert len({result.untyped_storage().data_ptr() for result in results}) == len(results)


def test_shared_operations_are_computed_once() -> None:
    def doubled(rows: Tensor, fixed: Tensor) -> list[Tensor]:
        total = rows.t() @ rows
        for _ in range(60):
            total = total @ fixed + -total
        return [total]

    rows, fixed = torch.randn(TIME, BATCH, 4, dtype=torch.float64), torch.eye(4, dtype=torch.float64) * 2
    totals = Totals(make_fx(doubled)(rows[0], fixed), [True, False], [0], tall_product)
    totals.add([rows, fixed])
    torch.testing.assert_close(totals.results(), [rows.flatten(0, 1).t() @ rows.flatten(0, 1)])


def test_an_output_that_is_not_summed_is_returned_for_every_step() -> None:
    rows = torch.randn(TIME, BATCH, 4)
    stage = make_fx(lambda rows: [rows * 2, rows.sum(0)])(rows[0])
    totals = Totals(stage, [True], [1], tall_product)
    (doubled,) = totals.add([rows])
    torch.testing.assert_close(doubled, rows * 2)
    torch.testing.assert_close(totals.results(), [rows.sum((0, 1))])


def test_an_output_that_is_the_same_at_every_step_cannot_be_summed() -> None:
    stage = make_fx(lambda fixed: [fixed * 2])(torch.randn(3))
    with pytest.raises(AssertionError, match="cannot be summed over the steps"):
        Totals(stage, [False], [0], tall_product)
