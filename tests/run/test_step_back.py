"""Resuming from an earlier checkpoint, when the newest one, its best or the log is damaged."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import seqkit
from seqkit.errors import RunError, SaveError
from seqkit.run.verifying import verify
from tests.run.test_resume import StopAt, content, flip

CHECKPOINTS = Path("cut/checkpoints")


@pytest.fixture(autouse=True)
def all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    """Its best are those of 10, 20 and 30; it can be resumed from every seventh step."""
    return tiny_recipe.override(["model.dropout=0.2", "train.save_every=7", "train.log_every=4"])


def cut_at(recipe: seqkit.Recipe, step: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "cut", callbacks=[StopAt(step, KeyboardInterrupt())])


@pytest.mark.ci
def test_a_damaged_best_takes_the_checkpoint_that_needs_another(
    recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    seqkit.train(recipe, "whole")
    cut_at(recipe, 21)
    flip(CHECKPOINTS / "step-00000020/model.safetensors")
    seqkit.resume("cut")
    assert "It is set aside as damaged-step-00000020. The checkpoint of step 21 needs it" in caplog.text
    assert "cut continues from step 14" in caplog.text
    assert content("cut") == content("whole")
    assert sorted(path.name for path in CHECKPOINTS.glob("[!s]*")) == ["damaged-step-00000020"]


@pytest.mark.ci
def test_if_every_checkpoint_needs_it_nothing_is_begun_again(recipe: seqkit.Recipe) -> None:
    cut_at(recipe, 18)
    before = Path("cut/metrics.jsonl").read_bytes()
    flip(CHECKPOINTS / "step-00000010/model.safetensors")
    for _ in range(2):
        with pytest.raises(RunError, match="to resume from is damaged, or needs one that is"):
            seqkit.resume("cut")
    assert Path("cut/metrics.jsonl").read_bytes() == before
    (CHECKPOINTS / "damaged-step-00000010").rename(CHECKPOINTS / "step-00000010")
    flip(CHECKPOINTS / "step-00000010/model.safetensors")  # it is repaired
    seqkit.train(recipe, "whole")
    seqkit.resume("cut")
    assert content("cut") == content("whole")


@pytest.mark.ci
def test_an_older_checkpoint_may_fit_what_is_left_of_the_log(
    recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    seqkit.train(recipe, "whole")
    cut_at(recipe, 18)
    os.truncate("cut/metrics.jsonl", Path("cut/metrics.jsonl").stat().st_size - 30)
    seqkit.resume("cut")
    assert "metrics.jsonl is damaged" in caplog.text
    assert "cut continues from step 14" in caplog.text
    assert content("cut") == content("whole")
    cut_again = Path("cut/metrics.jsonl")
    cut_again.write_bytes(b"{}\n" + cut_again.read_bytes())
    with pytest.raises(RunError, match="metrics.jsonl is damaged"):
        seqkit.resume("cut", ["train.steps=31"])


@pytest.mark.ci
def test_a_best_after_the_checkpoint_is_not_that_of_a_changed_training(recipe: seqkit.Recipe) -> None:
    recipe = recipe.override(["train.save_every=9"])
    cut_at(recipe, 12)
    shutil.rmtree(CHECKPOINTS / "step-00000012")  # killed: step 9, and the best of step 10
    seqkit.resume("cut", ["train.learning_rate=0.0001"])
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "other", callbacks=[StopAt(9, KeyboardInterrupt())])
    seqkit.resume("other", ["train.learning_rate=0.0001"])
    assert content("cut") == content("other")


@pytest.mark.parametrize("step", [10, 13, 20, 22, 29])
@pytest.mark.ci
def test_stepping_back_to_before_a_best_that_was_removed(recipe: seqkit.Recipe, step: int) -> None:
    recipe = recipe.override(["train.save_every=3", "train.keep_checkpoints=4", "train.evaluate_every=5"])
    seqkit.train(recipe, "whole")
    cut_at(recipe, step)
    resumable = [path for path in sorted(CHECKPOINTS.iterdir()) if (path / "training.json").exists()]
    for path in resumable[2:]:
        flip(path / "model.safetensors")
    run = seqkit.resume("cut")
    assert content("cut")["rows"] == content("whole")["rows"]
    weights = [seqkit.load(name).model.state_dict() for name in ("cut", "whole")]
    assert all(weights[0][name].equal(value) for name, value in weights[1].items())
    assert run.metrics[-1]["step"] == 30
    assert not any(each.problems for each in verify(Path("cut")))


class FullDisk:
    """From one step to another the process can write no file of more than some bytes."""

    def __init__(self, first: int, last: int, size: int) -> None:
        self.first, self.last, self.size = first, last, size
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
        if step == self.first:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))
        if step == self.last:
            self.end()

    def end(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.mark.ci
def test_rows_and_checkpoints_wait_for_a_full_disk(
    recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    seqkit.train(recipe, "whole")
    disk = FullDisk(6, 25, size=700)
    try:
        seqkit.train(recipe, "cut", callbacks=[disk])
    finally:
        disk.end()
    assert "Its rows are written later" in caplog.text
    assert "the checkpoint of step 7 cannot be written" in caplog.text
    assert content("cut")["rows"] == content("whole")["rows"]
    last = "checkpoints/step-00000030/model.safetensors"
    weights = [load_file(f"{name}/{last}") for name in ("cut", "whole")]
    assert all(weights[0][name].equal(value) for name, value in weights[1].items())


@pytest.mark.ci
def test_the_last_save_on_a_full_disk_is_an_error_and_can_be_made_up_for(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    disk = FullDisk(22, 99, size=700)
    try:
        with pytest.raises(SaveError, match="Free some space"):
            seqkit.train(recipe, "cut", callbacks=[disk])
    finally:
        disk.end()
    assert not [*Path("cut").rglob("*.partial")]
    assert not any(each.problems for each in verify(Path("cut")))
    seqkit.resume("cut")
    assert content("cut") == content("whole")


@pytest.fixture
def small_disk(workdir: Path) -> Iterator[Path]:
    """A file system of 1 MiB, where mounting is allowed."""
    disk = workdir / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.ci
def test_a_disk_that_is_full_and_has_room_again(recipe: seqkit.Recipe, small_disk: Path) -> None:
    seqkit.train(recipe, "whole")
    filler = small_disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb") as file:  # closing it fails as well
            while True:
                file.write(bytes(4096))

    class Fill:
        def step_ended(self, trainer: Any, step: int) -> None:
            if step == 9:
                fill()
            if step == 25:
                filler.unlink()

    seqkit.train(recipe, small_disk / "cut", callbacks=[Fill()])
    assert content(small_disk / "cut")["rows"] == content("whole")["rows"]
    assert not any(each.problems for each in verify(small_disk / "cut"))
    fill()
    with pytest.raises(SaveError, match=r"needed, and|No space left"):
        seqkit.resume(small_disk / "cut", ["train.steps=40"])
    filler.unlink()
    run = seqkit.resume(small_disk / "cut", ["train.steps=40"])
    assert run.metrics[-1]["step"] == 40


@pytest.mark.ci
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_third_signal_ends_a_save_that_hangs(recipe: seqkit.Recipe, number: int) -> None:
    recipe.save("r.toml")
    program = f"""
import os, time, seqkit
from seqkit.training import checkpoint
def hang(*args, **options):
    os.kill(os.getpid(), {int(number)})
    os.kill(os.getpid(), {int(number)})
    time.sleep(60)
checkpoint.save_checkpoint = hang
class At:
    def step_finished(self, trainer, step, metrics):
        if step == 3:
            os.kill(os.getpid(), {int(number)})
seqkit.train("r.toml", "cut", callbacks=[At()])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        timeout=50,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == -number
