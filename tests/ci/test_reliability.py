"""A run survives kills, other processes, and odd file systems; tests/slow has more of each."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seqkit
from seqkit.run.verifying import verify
from tests import reliability
from tests.run.test_resume import content

FUZZED = [
    "recipe.toml",
    "provenance.json",
    "tokenizer.json",
    "metrics.jsonl",
    "ended.json",
    "checkpoints/*/MANIFEST.json",
    "checkpoints/*/training.json",
]


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    return tiny_recipe.override(reliability.CHANGES)


def test_a_kill_before_any_operation_of_a_save(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    count = reliability.count_operations(recipe)
    assert count > 40
    for number in range(20):
        reliability.kill_before_operation(recipe, 1 + number * (count - 1) // 19)


def test_a_kill_where_a_directory_arrives_file_by_file(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    for seed in range(10):
        reliability.kill_while_a_folder_is_copied(recipe, seed)


def test_of_three_processes_one_trains(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe, "whole")
    for seed in range(9):
        reliability.begin_twice(recipe, seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_one_line_until_it_is_done(recipe: seqkit.Recipe, seed: int) -> None:
    reliability.one_line_until_it_is_done(recipe, seed)


@pytest.mark.parametrize("name", FUZZED)
def test_fuzzed_files(tiny_run: str, name: str) -> None:
    for seed in range(75):
        reliability.read_a_fuzzed_file(name, seed)


def test_fuzzed_scalers(shared: Callable[[str, Callable[[], object]], None], workdir: Path) -> None:
    from tests.run.test_series import recipe

    shared("series", lambda: seqkit.train(recipe(), "out"))
    for seed in range(75):
        reliability.read_a_fuzzed_file("series.json", seed)


def test_three_fresh_processes_change_no_bit(workdir: Path) -> None:
    reliability.resumed_in_fresh_processes(0, 16)


COMMAND = """
import os, signal, sys, threading, time
moment, number, twice = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "twice"

def send():
    os.kill(os.getpid(), number)
    if twice:
        time.sleep(0.02)
        os.kill(os.getpid(), number)

class AtImport:
    def find_spec(self, name, path, target=None):
        if moment == "import" and name == "seqkit.training.trainer":
            send()
sys.meta_path.insert(0, AtImport())

if moment != "import":
    import seqkit.training.forward as forward
    from seqkit.run import TextRun
    run_model = forward.run_model

    def first(*arguments):
        global moment
        if moment == "first trace":
            moment = ""
            threading.Thread(target=send, daemon=True).start()
        return run_model(*arguments)
    forward.run_model = first
    generate = TextRun.generate

    def sample(self, *arguments, **options):
        if moment == "sample":
            send()
        return generate(self, *arguments, **options)
    TextRun.generate = sample

from seqkit.__main__ import main
sys.argv[:] = ["seqkit", "run", "r.toml", "--out", "cut"]
main()
"""


@pytest.mark.parametrize("times", ["once", "twice"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["import", "first trace", "sample"])
def test_a_signal_to_the_command(recipe: seqkit.Recipe, moment: str, number: int, times: str) -> None:
    recipe.override(["cell.hidden_size=64"]).save("r.toml")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, moment, str(int(number)), times],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode in (128 + number, -number), done.stderr  # a shell shows 128 + number for both
    assert "Traceback" not in done.stderr
    if moment == "import":
        assert not Path("cut").exists()
    elif moment == "sample":
        assert seqkit.load("cut").provenance["ended_by"] == "30 steps"
    elif Path("cut").exists():  # the first steps were faster
        assert not any(each.problems for each in verify(Path("cut")))
        seqkit.train("r.toml", "cut", resume=True)
        seqkit.train("r.toml", "whole")
        assert content("cut") == content("whole")
