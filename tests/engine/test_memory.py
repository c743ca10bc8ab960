"""Memory of the loops: it is reused when no tensor refers to it, and never before."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from seqkit.engine.run import memory
from seqkit.engine.run.memory import Pool

SHAPE = (1024, 512)  # 2 MB


@pytest.fixture(autouse=True)
def probed_again() -> Iterator[None]:
    memory._uses_are_known.cache_clear()
    yield
    memory._uses_are_known.cache_clear()


def handed_out(pool: Pool) -> Tensor:
    return pool.empty(SHAPE, torch.float32, torch.device("cpu"))


def test_memory_is_reused_when_no_tensor_refers_to_it() -> None:
    pool = Pool()
    first = handed_out(pool)
    place = first.data_ptr()
    row = first[3]
    del first
    assert handed_out(pool).data_ptr() != place  # a view of it still exists
    del row
    assert handed_out(pool).data_ptr() == place


def test_a_tensor_saved_by_autograd_is_a_reference() -> None:
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
def test_no_memory_is_reused_if_pytorch_counts_differently(
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
    assert "counts the references to memory differently" in caplog.text
