"""Denormal numbers are flushed to zero while training, in every thread, and kept again afterwards."""

from collections.abc import Iterator

import pytest
import torch

from seqkit import Batch, SequenceModel, Trainer
from seqkit.cells import RNN
from seqkit.training.denormals import flushing_denormals


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    (torch.ones(4_000_000) * 2).sum()  # starts both threads
    yield
    torch.set_num_threads(before)


def share_of_denormals() -> float:
    """The share of denormal numbers that survive a product that both threads compute."""
    return float((torch.full((4_000_000,), 1e-39) * 0.5 != 0).float().mean())


@pytest.mark.usefixtures("two_threads")
def test_every_thread_flushes_them_and_is_put_back() -> None:
    assert share_of_denormals() == 1.0
    with flushing_denormals():
        assert share_of_denormals() == 0.0
        with flushing_denormals():
            pass
        assert share_of_denormals() == 0.0
    assert share_of_denormals() == 1.0


@pytest.mark.usefixtures("two_threads")
def test_training_flushes_them() -> None:
    seen = []

    class Look:
        def step_finished(self, trainer: Trainer, step: int, metrics: object) -> None:
            seen.append(share_of_denormals())

    model = SequenceModel(RNN(3, 4), vocab_size=3)
    trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), callbacks=[Look()])
    ids = torch.randint(3, (2, 6))
    trainer.fit([Batch(ids, ids)], steps=2)
    assert seen == [0.0, 0.0]
    assert share_of_denormals() == 1.0
