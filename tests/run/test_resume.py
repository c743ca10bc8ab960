"""A run that is stopped and resumed is the run that was never stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import seqkit
from seqkit.errors import RunError, SeqkitError
from seqkit.run import load_seeds, train_seeds
from seqkit.run.resuming import require_unfinished
from seqkit.run.verifying import verify
from seqkit.training.manifest import list_checkpoints
from tests.inprocess import command


class StopAt:
    """Ends a training as a bug, or Ctrl-C, in the middle would."""

    def __init__(self, step: int, error: BaseException) -> None:
        self.step, self.error = step, error

    def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
        if step == self.step:
            raise self.error


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    return tiny_recipe.override(["model.dropout=0.2", "train.save_every=7", "train.log_every=4"])


def content(path: str | Path) -> dict[str, Any]:
    """All that a training leaves, without the clock."""
    path = Path(path)
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    places = list_checkpoints(path / "checkpoints")
    return {
        "rows": [
            {key: value for key, value in row.items() if key not in ("elapsed_s", "tokens_per_s")}
            for row in rows
        ],
        "checkpoints": {place.name: each.validation_loss for place, each in places.items()},
        "best": list(places.values())[-1].best_step,
        "tensors": {
            f"{file.parent.name}/{file.name}": {
                name: value.tolist() for name, value in load_file(file).items()
            }
            for number, place in enumerate(reversed(places), 1)
            for file in place.glob("*.safetensors")
            # A best at whose step it was interrupted has more than its weights.
            if number <= 2 or file.name == "model.safetensors"
        },
    }


@pytest.mark.parametrize("state", ["carry", pytest.param("reset", marks=pytest.mark.ci)])
def test_three_interruptions_leave_the_run_of_none(recipe: seqkit.Recipe, state: str) -> None:
    recipe = recipe.override([f"train.state={state}"])
    seqkit.train(recipe, "whole")
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "cut", callbacks=[StopAt(5, KeyboardInterrupt())])
    with pytest.raises(ValueError, match="a bug"):
        seqkit.resume("cut", callbacks=[StopAt(10, ValueError("a bug"))])
    assert seqkit.load("cut").provenance["ended_by"] == "an error (ValueError)"
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "cut", resume=True, callbacks=[StopAt(22, KeyboardInterrupt())])
    run = seqkit.resume("cut")
    assert content("cut") == content("whole")
    assert (
        run.generate("the ") == seqkit.load("whole").generate("the ") == seqkit.load("cut").generate("the ")
    )
    assert run.provenance["ended_by"] == "30 steps"
    assert not any(each.problems for each in verify(Path("cut")))


@pytest.mark.ci
@pytest.mark.parametrize("step", [3, 9, 15, 21, 30])
def test_a_kill_loses_what_came_since_the_last_checkpoint(recipe: seqkit.Recipe, step: int) -> None:
    recipe.save("r.toml")
    program = f"""
import os, signal, seqkit
class Kill:
    def step_finished(self, trainer, step, metrics):
        if step == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
seqkit.train("r.toml", "cut", callbacks=[Kill()])
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    seqkit.train("r.toml", "cut", resume=True)
    seqkit.train("r.toml", "whole")
    assert content("cut") == content("whole")
    assert not [*Path("cut").rglob("*.partial")]


@pytest.mark.ci
def test_one_line_starts_continues_and_says_that_all_is_done(
    recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "out", resume=True, callbacks=[StopAt(12, KeyboardInterrupt())])
    seqkit.train(recipe, "out", resume=True)
    before, ended = content("out"), Path("out/ended.json").read_text()
    with caplog.at_level("INFO"):
        run = seqkit.train(recipe, "out", resume=True)
    assert "out is complete, at step 30" in caplog.text
    assert "out: nothing is left to train; it ended by 30 steps, at step 30" in caplog.text
    assert (content("out"), Path("out/ended.json").read_text()) == (before, ended)
    assert run.evaluate()["loss"] == seqkit.load("out").evaluate()["loss"]
    with pytest.raises(RunError, match="to resume a run, give its directory"):
        seqkit.train(recipe, resume=True)


@pytest.mark.ci
def test_a_larger_budget_goes_on_and_is_kept(recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture) -> None:
    seqkit.train(recipe, "out")
    run = seqkit.resume("out", ["train.steps=44"])
    assert "no longer that of an uninterrupted training: changed train.steps (30 -> 44)" in caplog.text
    assert run.metrics[-1]["step"] == 44
    assert seqkit.resume("out").recipe.train.steps == 44
    seqkit.train(recipe.override(["train.steps=44"]), "whole")
    weights = [load_file(f"{name}/checkpoints/step-00000044/model.safetensors") for name in ("out", "whole")]
    assert all(weights[0][name].equal(value) for name, value in weights[1].items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("cell.hidden_size=8", "cell.hidden_size: 16 in the run, 8 now"),
        ("train.seed=3", "train.seed: 0 in the run, 3 now"),
        ("train.batch_size=4", "train.batch_size: 8 in the run, 4 now"),
        ("model.head=none", "model.head"),
    ],
)
def test_another_recipe_is_refused(tiny_run: str, change: str, said: str) -> None:
    with pytest.raises(RunError, match="cannot be continued with another recipe") as caught:
        seqkit.resume(tiny_run, [change])
    assert said in str(caught.value)
    assert not Path(tiny_run, "resumed.json").exists()


def test_other_data_is_refused(tiny_run: str, text_file: Path) -> None:
    text_file.write_text(text_file.read_text() + "more\n")
    with pytest.raises(RunError, match="its data has changed since"):
        seqkit.resume(tiny_run)


@pytest.mark.ci
def test_a_plugin_file_that_has_changed_is_refused(tiny_recipe: seqkit.Recipe) -> None:
    file = Path("mine.py")
    file.write_text(
        "from seqkit.cells import RNN\nfrom seqkit.plugin import CellConfig, CellPlugin, hookimpl\n"
        "class Mine(RNN):\n    pass\n"
        "class MineConfig(CellConfig):\n    hidden_size: int = 8\n"
        "@hookimpl\ndef seqkit_cells():\n    return [CellPlugin('mine', MineConfig, Mine)]\n"
    )
    seqkit.train(tiny_recipe.override(["cell.use=mine", "train.steps=3"]), "out", plugins=["./mine.py"])
    file.write_text(file.read_text() + "# changed\n")
    with pytest.raises(RunError, match=r"the plugin file mine.py has changed since.\n.*out/plugins"):
        seqkit.resume("out", ["train.steps=5"], plugins=["./mine.py"])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.ci
@pytest.mark.parametrize(
    "damage",
    [
        lambda place: flip(place / "model.safetensors"),
        lambda place: flip(place / "training.safetensors"),
        lambda place: flip(place / "training.json"),
        lambda place: flip(place / "MANIFEST.json"),
        lambda place: (place / "MANIFEST.json").unlink(),
        lambda place: (place / "training.json").unlink(),
        lambda place: os.truncate(place / "model.safetensors", 200),
    ],
)
def test_a_damaged_checkpoint_is_set_aside(
    recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    seqkit.train(recipe, "whole")
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "cut", callbacks=[StopAt(17, KeyboardInterrupt())])
    damage(Path("cut/checkpoints/step-00000017"))
    assert command("verify", "cut").returncode == 1
    run = seqkit.resume("cut")
    assert "It is set aside as damaged-step-00000017" in caplog.text
    assert content("cut") == content("whole")
    assert run.metrics[-1]["step"] == 30


@pytest.mark.ci
def test_load_refuses_a_damaged_best_and_names_another(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "out")
    flip(Path("out/checkpoints/step-00000030/model.safetensors"))
    with pytest.raises(RunError, match=r"model.safetensors is damaged.*\n.*--step 28 \(in Python step=28\)"):
        seqkit.load("out")
    assert seqkit.load("out", step=28).generate("a")
    assert command("generate", "out", "a", "--step", "28").returncode == 0
    assert command("evaluate", "out", "--split", "validation", "--step", "28").returncode == 0
    assert "available: " in command("score", "out", "my.txt", "--step", "3").stderr
    with pytest.raises(RunError, match="there is no checkpoint of step 3 in .*; available: "):
        seqkit.load("out", step=3)


def test_files_that_belong_to_the_weights_are_verified(tiny_run: str) -> None:
    flip(Path(tiny_run, "tokenizer.json"))
    with pytest.raises(RunError, match=r"tokenizer.json"):
        seqkit.load(tiny_run)
    found = command("verify", tiny_run)
    assert found.returncode == 1
    assert "tokenizer.json has changed" in found.stdout


@pytest.mark.ci
def test_a_run_without_a_checkpoint_begins_again(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    seqkit.train(recipe, "cut")
    for place in [*Path("cut/checkpoints").iterdir()]:
        place.rename(f"gone-{place.name}")
    seqkit.resume("cut")
    assert content("cut") == content("whole")


@pytest.mark.ci
def test_nothing_is_begun_again_over_weights(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "out")
    for place in [*Path("out/checkpoints").iterdir()]:
        flip(place / "MANIFEST.json")
    before = Path("out/metrics.jsonl").read_text()
    for _ in range(2):
        with pytest.raises(RunError, match="every checkpoint to resume from is damaged"):
            seqkit.resume("out")
    assert Path("out/metrics.jsonl").read_text() == before
    shutil.copytree(Path(__file__).parent / "before/text", "text")
    names = {path.name for path in Path("text").rglob("*")}
    with pytest.raises(SeqkitError):
        seqkit.resume("text")
    with pytest.raises(RunError, match="it was trained by an earlier version"):
        require_unfinished(Path("text"))
    assert {path.name for path in Path("text").rglob("*")} == names


@pytest.mark.ci
def test_seeds_go_on_with_the_one_that_stopped(recipe: seqkit.Recipe) -> None:
    def stop(seed: int) -> list[object]:
        return [StopAt(11, KeyboardInterrupt())] if seed == 1 else []

    with pytest.raises(KeyboardInterrupt):
        train_seeds(recipe, 3, "cut", callbacks=stop)
    assert not Path("cut/seed-2").exists()
    train_seeds(recipe, 3, "cut", resume=True)
    summary = train_seeds(recipe, 3, "whole")
    for seed in range(3):
        assert content(f"cut/seed-{seed}") == content(f"whole/seed-{seed}")
    assert json.loads(Path("cut/summary.json").read_text())["loss"] == summary["loss"]
    assert len(load_seeds("cut")) == 3


@pytest.mark.ci
def test_the_command_line(recipe: seqkit.Recipe) -> None:
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "cut", callbacks=[StopAt(12, KeyboardInterrupt())])
    done = command("resume", "cut")
    assert done.returncode == 0, done.stderr
    assert "cut continues from step 12" in done.stderr
    assert "--- a sample ---" in done.stdout
    seqkit.train(recipe, "whole")
    assert content("cut") == content("whole")
    again = command("resume", "cut")
    assert again.returncode == 0
    assert "nothing is left to train" in again.stderr
    refused = command("resume", "cut", "cell.hidden_size=3")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert command("resume", "nowhere").returncode == 2
    verified = command("verify", "cut", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["whole"]) == (0, True)


SIGNALLED = """
import os, signal, sys, threading, time
import seqkit
from seqkit.training import checkpoint
moment, number, twice = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "twice"

def send():
    os.kill(os.getpid(), number)
    if twice:
        def later():
            time.sleep(0.02)
            os.kill(os.getpid(), number)
        threading.Thread(target=later, daemon=True).start()

class At:
    def text_tokenised(self, characters, total):
        if moment == "tokenising":
            send()
    def run_started(self, trainer):
        if moment == "claimed":
            send()
    def step_finished(self, trainer, step, metrics):
        if moment == "update" and step == 11:
            send()
    def evaluated(self, trainer, step, split, metrics):
        if moment == "evaluated" and step == 10:
            send()

save = checkpoint.save_checkpoint
def saving(folder, weights, step, *args, **options):
    global moment
    if moment == "saving" and step == 14:
        moment = "saved"
        send()
        time.sleep(0.05)
    return save(folder, weights, step, *args, **options)
checkpoint.save_checkpoint = saving
try:
    seqkit.train("r.toml", "cut", callbacks=[At()])
except KeyboardInterrupt as stop:
    assert (stop.path is not None) == (moment in ("update", "evaluated", "saved"))
    sys.exit(128 + stop.number)
"""


@pytest.mark.ci
@pytest.mark.parametrize("times", ["once", "twice"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["tokenising", "claimed", "update", "evaluated", "saving"])
def test_a_signal_keeps_the_step_that_was_reached(
    recipe: seqkit.Recipe, moment: str, number: int, times: str
) -> None:
    recipe.save("r.toml")
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, moment, str(int(number)), times],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 128 + number, done.stderr
    if moment in ("tokenising", "claimed"):
        assert not Path("cut").exists()
        return
    assert not any(each.problems for each in verify(Path("cut")))
    last = max(each.step for each in list_checkpoints(Path("cut/checkpoints")).values())
    assert (
        seqkit.load("cut").metrics[-1]["step"]
        == last
        == {"update": 11, "evaluated": 10, "saving": 14}[moment]
    )
    seqkit.train("r.toml", "cut", resume=True)
    seqkit.train("r.toml", "whole")
    assert content("cut") == content("whole")
