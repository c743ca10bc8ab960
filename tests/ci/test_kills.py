"""SIGKILL at any moment: the run goes on, and ends as the one that was never killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import seqkit
from seqkit.run.verifying import verify
from tests.run.test_resume import content

PROGRAM = "import seqkit; seqkit.train('r.toml', 'cut', resume=True)"


def test_twenty_kills_at_random_moments(tiny_recipe: seqkit.Recipe) -> None:
    kill_at_random_moments(tiny_recipe, 20, seed=0)


def kill_at_random_moments(tiny_recipe: seqkit.Recipe, most: int, seed: int, steps: int = 1500) -> None:
    changes = [f"train.steps={steps}", "train.save_every=20", "train.evaluate_every=50", "model.dropout=0.2"]
    tiny_recipe.override([*changes, "cell.hidden_size=64"]).save("r.toml")
    chance, kills = random.Random(seed), 0
    while kills < most:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=subprocess.DEVNULL)
        try:
            assert process.wait(chance.uniform(2, 6)) == 0
            break  # it was faster than the kills
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills >= 2
    seqkit.train("r.toml", "cut", resume=True)
    seqkit.train("r.toml", "whole")
    assert content("cut") == content("whole")
    assert not any(each.problems for each in verify(Path("cut")))
    assert not [*Path("cut").rglob("*.partial")]
