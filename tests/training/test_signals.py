"""Ctrl-C does not interrupt a block that must run as a whole."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import seqkit
from seqkit.run import rundir
from seqkit.training import checkpoint
from seqkit.training.signals import whole


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """Also if the tests run in the background of a shell, which makes them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_block_is_finished_first() -> None:
    done = []

    def work() -> None:
        with whole():
            press_ctrl_c()
            press_ctrl_c()
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_nothing_changes() -> None:
    ran = []

    def work() -> None:
        with whole():
            ran.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [signal.default_int_handler]


def test_the_step_that_is_kept_is_the_step_that_is_named(
    tiny_recipe: seqkit.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of the 16th update: the weights are those of step 16, and are labelled so."""
    updates = 0
    update = torch.optim.AdamW.step

    def step(self: Any, *args: Any) -> Any:
        nonlocal updates
        updates += 1
        if updates == 16:
            press_ctrl_c()
        return update(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        with pytest.raises(KeyboardInterrupt):
            seqkit.train(tiny_recipe, "cut")
    assert updates == 16
    assert (Path("cut") / "checkpoints" / "step-00000016").is_dir()
    assert rundir.read_metrics(Path("cut"))[-1]["step"] == 16
    seqkit.train(tiny_recipe.override(["train.steps=16"]), "whole")
    weights = [
        load_file(Path(run) / "checkpoints/step-00000016/model.safetensors") for run in ("cut", "whole")
    ]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_second_ctrl_c_loses_nothing(tiny_recipe: seqkit.Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop:
        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            if step == 13:
                press_ctrl_c()

    save = checkpoint.save_checkpoint

    def saving(*args: Any, **options: Any) -> Path:
        press_ctrl_c()  # the second one, while the weights are written
        return save(*args, **options)

    monkeypatch.setattr(checkpoint, "save_checkpoint", saving)
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(tiny_recipe.override(["~train.evaluate_every"]), "a", callbacks=[Stop()])
    path = Path("a")
    assert seqkit.load(path).provenance["ended_by"] == "SIGINT"
    assert rundir.read_metrics(path)[-1]["step"] == 13
    assert (path / rundir.LOSS_PLOT).exists()
