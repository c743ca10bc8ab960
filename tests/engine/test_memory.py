"""Memory of the loops: it is handed out again once nobody looks at it, and never before."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from seqkit.engine.run import memory
from seqkit.engine.run.memory import Pool

SHAPE = (1024, 512)  # 2 MB


@pytest.fixture(autouse=True)
def probed_anew() -> Iterator[None]:
    memory._uses_are_known.cache_clear()
    yield
    memory._uses_are_known.cache_clear()


def handed_out(pool: Pool) -> Tensor:
    return pool.empty(SHAPE, torch.float32, torch.device("cpu"))


def test_memory_is_used_again_when_nobody_looks_at_it() -> None:
    pool = Pool()
    first = handed_out(pool)
    place = first.data_ptr()
    row = first[3]
    del first
    assert handed_out(pool).data_ptr() != place  # a view of it is still there
    del row
    assert handed_out(pool).data_ptr() == place


def test_what_autograd_has_saved_is_a_look() -> None:
    pool = Pool()
    first = handed_out(pool).fill_(2.0)
    place = first.data_ptr()
    weight = torch.ones((), requires_grad=True)
    product = weight * first
    del first
    second = handed_out(pool)
    assert second.data_ptr() != place
    product.sum().backward()
    assert weight.grad == 2.0 * 1024 * 512


@pytest.mark.parametrize("count", [lambda address: 1, lambda address: 2, None])
def test_where_pytorch_counts_otherwise_nothing_is_handed_out_twice(
    count: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if count is None:
        monkeypatch.delattr(torch._C, "_storage_Use_Count")
    else:
        monkeypatch.setattr(torch._C, "_storage_Use_Count", count)
    pool = Pool()
    first = handed_out(pool)
    second = handed_out(pool)
    assert first.data_ptr() != second.data_ptr()
    assert "counts the uses of memory in another way" in caplog.text
