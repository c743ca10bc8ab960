import os
import resource
from pathlib import Path

import pytest
import torch

from seqkit.cells import RNN
from seqkit.errors import RunError
from seqkit.training.checkpoint import (
    best_checkpoint,
    load_weights,
    save_checkpoint,
)
from seqkit.training.manifest import damages, list_checkpoints

CPU = torch.device("cpu")


def test_weights_come_back_bit_for_bit(workdir: Path) -> None:
    cell, other = RNN(3, 4), RNN(3, 4)
    path = save_checkpoint(workdir, cell.state_dict(), 500, 1.25)
    assert path.name == "step-00000500"
    assert sorted(file.name for file in path.iterdir()) == ["MANIFEST.json", "model.safetensors"]
    load_weights(other, path, CPU)
    assert all(map(torch.equal, cell.state_dict().values(), other.state_dict().values()))
    (manifest,) = list_checkpoints(workdir).values()
    assert (manifest.step, manifest.validation_loss, manifest.can_be_resumed) == (500, 1.25, False)
    assert not damages(path)


def test_tied_and_transposed_tensors_are_saved(workdir: Path) -> None:
    weight = torch.randn(3, 4)
    path = save_checkpoint(workdir, {"a": weight, "b": weight, "c": weight.t()}, 1)
    from safetensors.torch import load_file

    loaded = load_file(path / "model.safetensors")
    assert torch.equal(loaded["b"], weight)
    assert torch.equal(loaded["c"], weight.t())


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_files_follow_the_umask(workdir: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        path = save_checkpoint(workdir, RNN(3, 4).state_dict(), 1)
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o666 & ~mask}


@pytest.mark.parametrize("free", [0, 10, 100, 500])
def test_a_full_disk_leaves_nothing_half_written(workdir: Path, free: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        with pytest.raises(
            RunError, match=r"the checkpoint of step 1 cannot be written to .*\n  Free some space"
        ):
            save_checkpoint(workdir / "checkpoints", RNN(3, 40).state_dict(), 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [*(workdir / "checkpoints").iterdir()]


def test_the_best_is_the_lowest_loss_else_the_last(workdir: Path) -> None:
    weights = RNN(3, 4).state_dict()
    for step, loss in ((1, None), (2, 1.5), (3, 1.2), (4, 1.3)):
        save_checkpoint(workdir, weights, step, loss)
    assert best_checkpoint(workdir).name == "step-00000003"
    only = workdir / "only"
    for step in (1, 2):
        save_checkpoint(only, weights, step)
    assert best_checkpoint(only).name == "step-00000002"


def test_what_is_incomplete_does_not_count(workdir: Path) -> None:
    path = save_checkpoint(workdir, RNN(3, 4).state_dict(), 1)
    path.rename(workdir / "step-00000002.partial")
    with pytest.raises(RunError, match="there are no weights in"):
        best_checkpoint(workdir)
    save_checkpoint(workdir, RNN(3, 4).state_dict(), 2)
    assert not (workdir / "step-00000002.partial").exists()


def test_damaged_or_other_weights_are_reported(workdir: Path) -> None:
    path = save_checkpoint(workdir, RNN(3, 4).state_dict(), 1)
    with pytest.raises(RunError, match="does not fit the model that the recipe describes"):
        load_weights(RNN(3, 5), path, CPU)
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(RunError, match=r"model.safetensors is damaged: it has 40 bytes, not "):
        load_weights(RNN(3, 4), path, CPU)
    file.unlink()
    with pytest.raises(RunError, match=r"model.safetensors cannot be read"):
        load_weights(RNN(3, 4), path, CPU)
