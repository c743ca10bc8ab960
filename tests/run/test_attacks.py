"""Faults that were found by attacking runs, each of a kind of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seqkit
from seqkit.errors import RunError, SaveError
from seqkit.run import train_seeds
from seqkit.run.listing import list_runs
from seqkit.run.rundir import CLAIM, RECIPE
from seqkit.run.verifying import verify
from seqkit.training import checkpoint, keeping, manifest, signals
from tests.inprocess import command
from tests.run.test_resume import StopAt, content
from tests.training.test_damage import WEIGHTS, snapshot_of


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    return tiny_recipe.override(["model.dropout=0.2", "train.save_every=7", "train.log_every=4"])


@pytest.mark.ci
def test_seeds_keep_what_they_began_with(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "old")

    def stop(seed: int) -> list[object]:
        return [StopAt(11, KeyboardInterrupt())] if seed == 0 else []

    with pytest.raises(KeyboardInterrupt):
        train_seeds(recipe, 2, "cut", init_from="old", callbacks=stop)
    assert command("resume", "cut").returncode == 0
    train_seeds(recipe, 2, "whole", init_from="old")
    for seed in range(2):
        assert content(f"cut/seed-{seed}") == content(f"whole/seed-{seed}")
        assert seqkit.load(f"cut/seed-{seed}").provenance["from"]["step"] == 30


@pytest.mark.ci
def test_a_directory_of_seeds_takes_no_run_and_a_refusal_changes_nothing(recipe: seqkit.Recipe) -> None:
    train_seeds(recipe, 2, "seeds")
    before = Path("seeds/seeds.json").read_text()
    with pytest.raises(RunError, match="seeds holds several seeds, not one run"):
        seqkit.train(recipe, "seeds", resume=True)
    with pytest.raises(RunError, match="cannot be continued with another recipe"):
        train_seeds(recipe.override(["cell.hidden_size=99"]), 3, "seeds", resume=True)
    assert Path("seeds/seeds.json").read_text() == before
    assert sorted(path.name for path in Path("seeds").iterdir()) == [
        *("seed-0", "seed-1"),
        *("seeds.json", "summary.json"),
    ]
    shutil.rmtree("seeds/seed-1/checkpoints")
    with pytest.raises(RunError, match="there are no checkpoints in seeds/seed-1"):
        verify(Path("seeds"))
    shutil.rmtree("seeds/seed-1")
    with pytest.raises(RunError, match="seeds lacks 1 of its seeds"):
        verify(Path("seeds"))


@pytest.mark.ci
def test_a_best_that_is_missing_is_noticed(recipe: seqkit.Recipe) -> None:
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "out", callbacks=[StopAt(18, KeyboardInterrupt())])
    shutil.rmtree("out/checkpoints/step-00000010")
    with pytest.raises(RunError, match=r"step-00000010 is missing; it was the best at step-00000018"):
        seqkit.load("out")
    assert seqkit.load("out", step=18).generate("a")
    assert any("is missing" in problem for each in verify(Path("out")) for problem in each.problems)
    assert command("verify", "out").returncode == 1


@pytest.mark.ci
def test_what_is_left_of_a_removed_checkpoint_is_set_aside(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "out")
    (Path("out/checkpoints/step-00000028") / "MANIFEST.json").unlink()
    with pytest.raises(RunError, match="cannot be read"):
        seqkit.load("out")
    seqkit.resume("out")
    assert Path("out/checkpoints/damaged-step-00000028").is_dir()
    assert seqkit.load("out").generate("a")


@pytest.mark.ci
def test_a_checkpoint_that_comes_or_goes_while_one_reads(
    recipe: seqkit.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqkit.train(recipe, "out")
    folder, steps = Path("out/checkpoints"), checkpoint.step_folders
    newest = steps(folder)[-1]
    hidden = newest.rename("hidden")

    def comes(folder: Path) -> list[Path]:
        found = steps(folder)
        if hidden.exists():
            hidden.rename(newest)
        return found

    monkeypatch.setattr(checkpoint, "step_folders", comes)
    assert seqkit.load("out").generate("a")

    older = steps(folder)[0]

    def goes(folder: Path) -> list[Path]:
        found = steps(folder)
        if older.exists():
            older.rename(hidden)
        return found

    monkeypatch.setattr(checkpoint, "step_folders", goes)
    assert seqkit.load("out").generate("a")


@pytest.mark.parametrize("left", [1, 2, 3, "claim"])
def test_a_kill_between_the_first_files_lets_the_same_line_begin(recipe: seqkit.Recipe, left: Any) -> None:
    seqkit.train(recipe.override(["train.steps=2"]), "whole")
    Path("out").mkdir()
    if left == "claim":
        Path("out", f"{CLAIM}.partial").touch()
    else:
        Path("out", CLAIM).write_text('{"process": 1, "host": "x", "since": "y"}')
        for name in ("provenance.json", "tokenizer.json", f"{RECIPE}.partial")[:left]:
            Path("out", name).write_text("half")
    seqkit.train(recipe.override(["train.steps=2"]), "out", resume=True)
    assert content("out") == content("whole")


def test_a_directory_of_something_else_is_not_emptied(recipe: seqkit.Recipe) -> None:
    Path("out").mkdir()
    for name in (CLAIM, "my.json", "my.txt"):
        Path("out", name).write_text("{}")
    with pytest.raises(RunError, match="out is not empty"):
        seqkit.train(recipe, "out", resume=True)
    assert Path("out/my.json").exists()


def test_a_missing_log_offers_a_way_on(tiny_run: str) -> None:
    Path(tiny_run, "metrics.jsonl").unlink()
    with pytest.raises(RunError, match=r"metrics.jsonl is missing.\n  Restore it .*--from out.? --out OTHER"):
        seqkit.resume(tiny_run, ["train.steps=31"])


def test_rows_that_waited_are_written_when_the_run_is_resumed(tiny_run: str) -> None:
    from tests.run.test_hostile import replace_in_checkpoint

    rows = Path(tiny_run, "metrics.jsonl").read_text().splitlines(keepends=True)
    kept = "".join(rows[:-1]).encode()

    def wait(file: Path) -> None:
        values = json.loads(file.read_text())
        log = values["callbacks"][0][1]
        import hashlib

        log.update(waiting=rows[-1], bytes=len(kept), sha256=hashlib.sha256(kept).hexdigest())
        file.write_text(json.dumps(values))

    replace_in_checkpoint(manifest.VALUES, wait)
    seqkit.resume(tiny_run)
    assert Path(tiny_run, "metrics.jsonl").read_text().splitlines(keepends=True) == rows


def test_steps_are_numbers_not_names(workdir: Path) -> None:
    for step in (99_999_998, 99_999_999, 100_000_000, 100_000_001):
        checkpoint.save_checkpoint(workdir, WEIGHTS, step, snapshot=snapshot_of(0))
        keeping.prune(workdir, 2)
    assert [manifest.step_of(path) for path in manifest.step_folders(workdir)] == [100_000_000, 100_000_001]


def test_a_callback_of_the_same_name_is_another_one(recipe: seqkit.Recipe) -> None:
    class MetricsLog:
        seen = 0

        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            self.seen += 1

        def state(self) -> dict[str, int]:
            return {"seen": self.seen}

        def restore(self, state: dict[str, int]) -> None:
            self.seen = state["seen"]

    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "out", callbacks=[MetricsLog(), StopAt(12, KeyboardInterrupt())])
    mine = MetricsLog()
    seqkit.resume("out", callbacks=[mine])
    assert mine.seen == 30


LINES = [
    ("trainer.py", "self.history.losses.append", 9),
    ("trainer.py", "self.meter.add", 9),
    ("trainer.py", "validate.record(metrics", 1),
    ("trainer.py", "self.history.evaluations.append", 1),
    ("trainer.py", 'self._notify("evaluated"', 1),
    ("trainer.py", "self.history.epochs.append", 1),
    ("validation.py", "state.waited = 0", 1),
    ("validation.py", "state.best = Best", 1),
    ("callbacks.py", "self._bytes += len", 2),
    ("callbacks.py", 'self._waiting = b""', 3),
    ("callbacks.py", "self._last = ", 9),
]


@pytest.mark.ci
@pytest.mark.parametrize(("file", "text", "times"), LINES)
def test_ctrl_c_before_any_line_of_the_bookkeeping(
    recipe: seqkit.Recipe, file: str, text: str, times: int
) -> None:
    import sys

    recipe = recipe.override(["train.epochs=2.5", "train.steps=none", "train.evaluate_every=10"])
    seqkit.train(recipe, "whole")
    come = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal come
        if not frame.f_code.co_filename.endswith(f"/{file}"):
            return None
        lines = Path(frame.f_code.co_filename).read_text().splitlines()

        def line(frame: Any, event: str, argument: Any) -> Any:
            nonlocal come
            if event == "line" and lines[frame.f_lineno - 1].strip().startswith(text):
                come += 1
                if come == times:
                    sys.settrace(None)
                    signal.raise_signal(signal.SIGINT)
            return line

        return line

    sys.settrace(trace)
    try:
        with pytest.raises(KeyboardInterrupt):
            seqkit.train(recipe, "cut", callbacks=[])
    finally:
        sys.settrace(None)
    assert come == times
    seqkit.resume("cut")
    assert content("cut") == content("whole")


@pytest.mark.ci
def test_a_second_signal_before_the_save_loses_nothing(
    recipe: seqkit.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqkit.run import fitting

    def whole() -> Any:
        monkeypatch.setattr(fitting, "whole", signals.whole)
        os.kill(os.getpid(), signal.SIGTERM)
        return signals.whole()

    class Once:
        def step_ended(self, trainer: Any, step: int) -> None:
            if step == 8:
                monkeypatch.setattr(fitting, "whole", whole)
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(signals.Interrupted) as caught:
        seqkit.train(recipe, "out", callbacks=[Once()])
    assert (caught.value.number, caught.value.path) == (signal.SIGINT, Path("out"))
    assert Path("out/checkpoints/step-00000008/training.json").exists()


@pytest.mark.ci
def test_signals_do_not_hide_that_nothing_was_saved(
    recipe: seqkit.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bug:
        def step_ended(self, trainer: Any, step: int) -> None:
            if step == 8:
                monkeypatch.setattr(checkpoint, "save_checkpoint", full)
                raise ValueError("a bug")

    def full(*args: Any, **options: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise SaveError("the disk is full")

    with pytest.raises(SaveError):
        seqkit.train(recipe, "out", callbacks=[Bug()])


@pytest.mark.ci
def test_names_are_no_markup(recipe: seqkit.Recipe) -> None:
    recipe.override(["train.steps=2"]).save("x[bold].toml")
    assert "training x[bold]: RNN" in command("run", "x[bold].toml", "--out", "out").stderr


@pytest.mark.ci
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_drops_is_raised_again(recipe: seqkit.Recipe) -> None:
    class Dropped:
        def __init__(self) -> None:
            self.number = signal.SIGINT

        def __del__(self) -> None:
            os.kill(os.getpid(), self.number)
            for _ in range(1000):  # Python handles it here, and ignores the exception
                pass

    class Drop:
        def run_started(self, trainer: Any) -> None:
            hook = trainer.model.register_forward_pre_hook(lambda *_: hook.remove() or (Dropped() and None))

    with pytest.raises(signals.Interrupted):
        seqkit.train(recipe, "out", callbacks=[Drop()])
    assert not Path("out/checkpoints/step-00000030").exists()


@pytest.mark.ci
def test_the_last_checkpoint_is_missed(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "out")
    shutil.rmtree("out/checkpoints/step-00000030")
    with pytest.raises(RunError, match=r"step-00000030 is missing: training ended with it.\n.*--step 28"):
        seqkit.load("out")
    assert any("is missing" in problem for each in verify(Path("out")) for problem in each.problems)
    seqkit.resume("out")
    assert seqkit.load("out").generate("a")
    assert not any(each.problems for each in verify(Path("out")))


@pytest.mark.ci
def test_a_run_that_goes_on_has_not_ended(recipe: seqkit.Recipe) -> None:
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "out", callbacks=[StopAt(12, KeyboardInterrupt())])
    seen = []

    class Look:
        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            if step == 20:
                seen.append((list_runs(Path("."))[0].ended_by, Path("out/ended.json").exists()))

    seqkit.resume("out", callbacks=[Look()])
    assert seen == [("is being written", False)]
    assert list_runs(Path("."))[0].ended_by == "30 steps"


@pytest.mark.ci
def test_resumed_seeds_have_the_name_of_their_recipe(recipe: seqkit.Recipe) -> None:
    def stop(seed: int) -> list[object]:
        return [StopAt(11, KeyboardInterrupt())] if seed == 0 else []

    with pytest.raises(KeyboardInterrupt):
        train_seeds(recipe, 2, "seeds", callbacks=stop)
    assert command("resume", "seeds").returncode == 0
    names = [seqkit.load(f"seeds/seed-{seed}").provenance["recipe"] for seed in range(2)]
    assert names == ["tiny", "tiny"]


@pytest.mark.ci
def test_a_best_that_was_interrupted_before_its_evaluation(recipe: seqkit.Recipe) -> None:
    """Its checkpoint is there without a loss; the loss is added when it has been measured."""
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "cut", callbacks=[StopAt(20, KeyboardInterrupt())])
    assert manifest.read_manifest(Path("cut/checkpoints/step-00000020")).validation_loss is None
    with pytest.raises(KeyboardInterrupt):
        seqkit.resume("cut", callbacks=[StopAt(22, KeyboardInterrupt())])
    (row,) = [row for row in seqkit.load("cut").metrics if row["step"] == 20 and row["split"] == "validation"]
    found = manifest.read_manifest(Path("cut/checkpoints/step-00000020"))
    assert (found.validation_loss, found.can_be_resumed) == (row["loss"], True)
    assert not any(each.problems for each in verify(Path("cut")))
    seqkit.train(recipe, "whole")
    seqkit.resume("cut")
    assert content("cut") == content("whole")
