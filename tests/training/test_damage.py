"""No changed byte of a checkpoint is used, and the last verified one is never removed."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from seqkit.cells import RNN
from seqkit.errors import RunError, SaveError
from seqkit.training import checkpoint, keeping
from seqkit.training.checkpoint import load_snapshot, load_weights, save_checkpoint
from seqkit.training.manifest import damages, list_checkpoints
from seqkit.training.snapshot import Snapshot

WEIGHTS = {"a": torch.arange(64.0), "b": torch.ones(3, 5)}


def snapshot_of(step: int, best: int | None = None) -> Snapshot:
    values: dict[str, Any] = {
        "step": step,
        "epoch": 0,
        "batch": step,
        "meter": {"steps": 0, "tokens": 0, "loss_sum": 0, "spent_s": 0, "training_s": 0, "recent": []},
        "epoch_began": {},
        "best": None if best is None else {"step": best, "loss": 1.0},
        "waited": 0,
        "evaluated": 0,
        "evaluations": [],
        "epochs": [],
        "carried": None,
        "optimizer": {},
        "callbacks": [],
    }
    return Snapshot(WEIGHTS, {"losses": torch.zeros(step, dtype=torch.float64)}, values)


def save(folder: Path, step: int) -> Path:
    return save_checkpoint(folder, WEIGHTS, step, 1.0, best_step=step, snapshot=snapshot_of(step, step))


def test_every_flipped_byte_is_noticed(workdir: Path) -> None:
    flip_bytes(workdir, 300, seed=0)


def flip_bytes(workdir: Path, count: int, seed: int) -> None:
    place = save(workdir, 7)
    chance = random.Random(seed)
    for _ in range(count):
        file = chance.choice(sorted(place.iterdir()))
        data = bytearray(whole := file.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        assert any(file.name in said for said in damages(place)), file
        with pytest.raises(RunError):
            load_snapshot(place)
        file.write_bytes(whole)
    assert not damages(place)


def test_what_is_truncated_zeroed_deleted_or_swapped_is_noticed(workdir: Path) -> None:
    damage_files(workdir, 60, seed=1)


def damage_files(workdir: Path, count: int, seed: int) -> None:
    place, other = save(workdir, 7), save(workdir, 8)
    names = sorted(file.name for file in place.iterdir())
    chance = random.Random(seed)
    for number in range(count):
        copy = workdir / "copies" / f"{number}" / place.name
        shutil.copytree(place, copy)
        file = copy / chance.choice(names)
        size = file.stat().st_size
        kind = ("truncate", "zero", "delete", "swap")[number % 4]
        if kind == "truncate":
            os.truncate(file, chance.randrange(size))
        elif kind == "zero":
            start = chance.randrange(size)
            data = bytearray(file.read_bytes())
            before = bytes(data)
            data[start : start + 4096] = bytes(len(data[start : start + 4096]))
            file.write_bytes(data)
            if bytes(data) == before:
                continue
        elif kind == "delete":
            file.unlink()
        else:
            shutil.copy(other / file.name, file)
            if file.read_bytes() == (place / file.name).read_bytes():
                continue
        assert damages(copy), (kind, file)


def test_a_renamed_checkpoint_is_not_that_of_another_step(workdir: Path) -> None:
    save(workdir, 7).rename(workdir / "step-00000009")
    (said,) = damages(workdir / "step-00000009")
    assert "is that of step 7: the directory was renamed" in said


@pytest.mark.parametrize("name", ["model.safetensors", "training.json", "MANIFEST.json"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "missing"])
def test_only_regular_files_are_read(workdir: Path, name: str, kind: str) -> None:
    place = save(workdir, 7)
    file = place / name
    file.rename(workdir / "elsewhere")
    if kind == "link":
        file.symlink_to(workdir / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(file)  # it would be waited for without end
    elif kind == "folder":
        file.mkdir()
    assert any(name in said for said in damages(place))
    with pytest.raises(RunError):
        load_snapshot(place)


def test_a_header_that_names_other_tensors_is_refused(workdir: Path) -> None:
    place = save(workdir, 7)
    with pytest.raises(RunError, match="does not fit the model that the recipe describes"):
        load_weights(RNN(3, 4), place, torch.device("cpu"))


@pytest.mark.parametrize("share", [place / 20 for place in range(20)])
def test_a_full_disk_leaves_the_checkpoint_before(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    import resource

    before = save(workdir, 7)
    largest = max(file.stat().st_size for file in before.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * largest), hard))
    try:
        with pytest.raises(SaveError, match=r"the checkpoint of step 8 cannot be written to .*\n  Free"):
            save(workdir, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in workdir.iterdir()] == [before.name]
    assert not damages(before)


def test_need_and_free_are_in_the_message(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(workdir)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(SaveError, match=r"0.1 MB are needed, and 0.0 MB are free"):
        save(workdir, 8)


class Store(RuleBasedStateMachine):
    """Saves, kills within a save, damage and pruning, in any order."""

    folder: Path
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.place = self.folder / str(next(self.numbers))
        self.place.mkdir()
        self.step = 0
        self.verified = False

    def whole(self) -> list[Path]:
        return [path for path in list_checkpoints(self.place) if not damages(path)]

    @rule(full=st.booleans())
    def save(self, full: bool) -> None:
        self.step += 1
        snapshot = snapshot_of(self.step, self.step) if full else None
        save_checkpoint(self.place, WEIGHTS, self.step, 1.0, best_step=self.step, snapshot=snapshot)
        self.verified = True

    @rule(after=st.integers(0, 5))
    def kill(self, after: int) -> None:
        """The process ends after some of the files."""
        done = 0
        finish = checkpoint._finish

        def until(partial: Path, file: Path) -> Any:
            nonlocal done
            done += 1
            if done > after:
                raise SystemExit
            return finish(partial, file)

        self.step += 1
        checkpoint._finish = until  # type: ignore[assignment]  # put back below
        try:
            save_checkpoint(
                self.place, WEIGHTS, self.step, 1.0, best_step=self.step, snapshot=snapshot_of(self.step)
            )
        except SystemExit:
            pass
        finally:
            checkpoint._finish = finish

    @rule(keep=st.integers(1, 3))
    def prune(self, keep: int) -> None:
        if list_checkpoints(self.place):
            keeping.prune(self.place, keep)

    @rule()
    def sweep(self) -> None:
        keeping.sweep(self.place)
        assert not [*self.place.rglob("*.partial")]

    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        """One file of one checkpoint, if another one is whole."""
        found = self.whole()
        if len(found) < 2:
            return
        file = data.draw(st.sampled_from(sorted(data.draw(st.sampled_from(found)).iterdir())))
        file.write_bytes(file.read_bytes()[:-1])

    @invariant()
    def once_there_was_one_there_is_one(self) -> None:
        assert self.whole() or not self.verified


@pytest.mark.ci
def test_a_verified_checkpoint_stays(workdir: Path) -> None:
    run_store(workdir, 50)


def run_store(workdir: Path, examples: int) -> None:
    Store.folder = workdir
    run_state_machine_as_test(
        Store,
        settings=settings(
            max_examples=examples, stateful_step_count=15, deadline=None, suppress_health_check=[*HealthCheck]
        ),
    )
