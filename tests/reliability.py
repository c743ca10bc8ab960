"""What can happen to a run: each function lets it happen once, and checks what is left.

tests/ci has a few of each, tests/slow many.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import seqkit
from seqkit.errors import RunError, SeqkitError
from seqkit.run.rundir import CLAIM, LOCK
from seqkit.run.verifying import verify
from tests.run.test_resume import content

EVERY = 7
"""Steps between two checkpoints."""
CHANGES = ["model.dropout=0.2", f"train.save_every={EVERY}", "train.log_every=4"]
OPERATIONS = ("fsync", "replace", "rename", "mkdir", "unlink", "rmdir", "truncate", "open")
"""Calls of the operating system between which a save may be cut."""


def in_a_child(work: Callable[[], object]) -> int:
    """The exit code of a process that does this; a process that is killed has a negative one."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


class Reached:
    """A callback: the parent process sees the step that was reached."""

    def __init__(self) -> None:
        self.step = multiprocessing.get_context("fork").Value("i", 0)

    def step_ended(self, trainer: Any, step: int) -> None:
        self.step.value = step


def count_operations(recipe: seqkit.Recipe) -> int:
    """How many operations of `OPERATIONS` a training makes, from its first step on."""
    counted = multiprocessing.get_context("fork").Value("i", 0)

    def work() -> None:
        def one(number: int) -> None:
            counted.value = number

        seqkit.train(recipe, "counted", callbacks=[AtOperations(one)])

    assert in_a_child(work) == 0
    shutil.rmtree("counted")
    return counted.value


class AtOperations:
    """A callback that, from the first step on, calls a function before each operation with its number."""

    def __init__(self, before: Callable[[int], None]) -> None:
        self.before, self.count = before, 0

    def run_started(self, trainer: Any) -> None:
        for name in OPERATIONS:
            setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.count += 1
            self.before(self.count)
            return operation(*args, **options)

        return call


def kill_before_operation(recipe: seqkit.Recipe, number: int) -> None:
    """SIGKILL before one operation; the run goes on, and ends as `whole`, which was never killed."""
    reached = Reached()

    def work() -> None:
        def die(count: int) -> None:
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        seqkit.train(recipe, "cut", callbacks=[AtOperations(die), reached])

    assert in_a_child(work) == -signal.SIGKILL
    continue_and_compare(recipe, reached.step.value)


def continue_and_compare(recipe: seqkit.Recipe, reached: int) -> None:
    """Continue `cut`: at most one interval was lost, and in the end it is `whole`, without strays."""
    began: list[int] = []

    class Began:
        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            began.append(step)

    seqkit.train(recipe, "cut", resume=True, callbacks=[Began()])
    first = began[0] if began else reached + 1
    assert first >= reached - EVERY, f"{reached} steps were done, and it went on with step {first}"
    assert content("cut") == content("whole")
    problems = [problem for each in verify(Path("cut")) for problem in each.problems]
    assert not problems, problems
    assert not [*Path("cut").rglob("*.partial")]
    assert not {LOCK, CLAIM} & {path.name for path in Path("cut").iterdir()}
    shutil.rmtree("cut")


def kill_while_a_folder_is_copied(recipe: seqkit.Recipe, seed: int) -> None:
    """Without atomic rename a directory arrives file by file; the process dies in between."""
    chance = random.Random(seed)
    which, after = chance.randrange(1, 7), chance.randrange(4)
    rename = os.rename
    copies = 0

    def slow_rename(source: Any, target: Any) -> None:
        nonlocal copies
        if not os.path.isdir(source):
            return rename(source, target)
        copies += 1
        os.mkdir(target)
        files = sorted(Path(source).iterdir())
        chance.shuffle(files)
        for place, file in enumerate(files):
            if (copies, place) == (which, after):
                os.kill(os.getpid(), signal.SIGKILL)
            shutil.copy(file, target)
        shutil.rmtree(source)
        return None

    def work() -> None:
        os.rename = slow_rename
        seqkit.train(recipe, "cut")

    if in_a_child(work) == 0:
        assert content("cut") == content("whole")  # it had fewer checkpoints
        shutil.rmtree("cut")
        return
    with suppress(SeqkitError):
        opened = seqkit.load("cut")
        losses = [row["loss"] for row in opened.metrics if row["split"] == "validation"]
        found = opened.evaluate("validation")["loss"]
        assert abs(found - min(losses)) < 1e-5, "other weights"  # rounding depends on what ran before
    try:
        seqkit.train(recipe, "cut", resume=True)
    except RunError:  # the first checkpoint arrived in part
        assert not any(place.name.startswith("step-") for place in Path("cut/checkpoints").iterdir())
    else:
        assert content("cut") == content("whole")
    shutil.rmtree("cut")


def begin_twice(recipe: seqkit.Recipe, seed: int) -> None:
    """Three processes, one directory: one trains; another one's failure, or its death, changes nothing."""
    fork = multiprocessing.get_context("fork")
    barrier, said = fork.Barrier(3), fork.Queue()
    fate = ("all train", "one fails before its first step", "one is killed")[seed % 3]

    class Fate:
        def run_started(self, trainer: Any) -> None:
            if fate == "one fails before its first step":
                raise ValueError("a bug")

        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            if fate == "one is killed" and step == 10 + seed % 10:
                os.kill(os.getpid(), signal.SIGKILL)

    def work(number: int) -> None:
        barrier.wait()
        time.sleep(random.Random(f"{seed}:{number}").random() / 20)
        try:
            seqkit.train(recipe, "cut", callbacks=[Fate()] if number == 0 else [])
            said.put("trained")
        except RunError as error:
            said.put(str(error))
        except ValueError:
            said.put("failed")

    processes = [fork.Process(target=work, args=(number,)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    heard = [said.get(timeout=10) for process in processes if process.exitcode == 0]
    assert heard.count("trained") <= 1, heard
    others = [each for each in heard if each not in ("trained", "failed")]
    known = ("cut is being written by ", "cut holds another run")
    assert all(each.startswith(known) for each in others), others
    if heard.count("trained"):
        assert content("cut") == content("whole")
        assert not any(each.problems for each in verify(Path("cut")))
    seqkit.train(recipe, "cut", resume=True)  # the lock is free
    assert content("cut") == content("whole")
    shutil.rmtree("cut")


def one_line_until_it_is_done(recipe: seqkit.Recipe, seed: int) -> None:
    """The same command five times: four are killed at random moments, the fifth says that it is done."""
    chance = random.Random(seed)
    recipe.override(["train.steps=400", "train.save_every=10"]).save("line.toml")
    line = [sys.executable, "-m", "seqkit", "run", "line.toml", "--out", "cut", "--resume"]
    for _ in range(3):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(3, 6))
        process.kill()
        process.wait()
    assert subprocess.run(line, capture_output=True, check=True).returncode == 0
    again = subprocess.run(line, capture_output=True, text=True, check=True)
    assert "nothing is left to train" in again.stderr
    seqkit.train("line.toml", "whole-line")
    assert content("cut") == content("whole-line")


def resumed_in_fresh_processes(first: int, last: int) -> None:
    """Runs of `tests.resumed`, stopped three times, each time continued by another process."""
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    for part in range(4):
        line = [sys.executable, "-m", "tests.resumed", str(part), str(first), str(last)]
        subprocess.run(line, check=True, env=environment)


def edits(data: bytes, chance: random.Random) -> bytes:
    """A file with a few bytes changed, removed, repeated or exchanged for odd values."""
    odd = [b"NaN", b"-1", b"1e999", b"null", b"[]", b"{}", b'"\\u001b[2J"', b"true", b"99999999999999999999"]
    for _ in range(chance.randint(1, 3)):
        place, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        kind = chance.randrange(6)
        if kind == 0 and data:
            place = chance.randrange(len(data))
            data = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        elif kind == 1:
            data = data[:place] + data[end:]
        elif kind == 2:
            data = data[:end] + data[place:end][:2000] + data[end:]
        elif kind == 3:
            data = data[:place]
        else:
            data = exchanged(data, chance.choice(odd), chance)
    return data


def exchanged(data: bytes, value: bytes, chance: random.Random) -> bytes:
    """One value after a colon or an equals sign is another one."""
    places = [place for place, byte in enumerate(data) if byte in b":="]
    if not places:
        return data + value
    start = chance.choice(places) + 1
    end = start
    while end < len(data) and data[end] not in b",\n}]":
        end += 1
    return data[:start] + b" " + value + data[end:]


def read_a_fuzzed_file(name: str, seed: int) -> None:
    """Every reader of `out` gives a typed error, or reads it; `out` is then put back."""
    from seqkit.run.listing import list_runs
    from tests.conftest import sign_again

    chance = random.Random(f"{name}:{seed}")
    (file,) = Path("out").glob(name)
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    file.write_bytes(edits(before[file], chance))
    for place in Path("out").glob("checkpoints/step-*"):  # whoever changes a file can make checksums too
        with suppress(SeqkitError, OSError):
            sign_again(place)
    readers: list[Callable[[], Any]] = [
        lambda: seqkit.load("out"),
        lambda: seqkit.load("out").provenance,
        lambda: seqkit.load("out").metrics,
        lambda: verify(Path("out")),
        lambda: [*list_runs(Path("."))],
    ]
    if seed % 10 == 0:
        readers.append(lambda: seqkit.resume("out"))
    for read in readers:
        with suppress(SeqkitError):
            read()
    shutil.rmtree("out")
    for path, data in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def soak(recipe: seqkit.Recipe, minutes: float) -> None:
    """Train, stop, resume, evaluate and generate in a loop: memory and open files do not grow."""

    class Stop:
        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            if step == 15:
                raise KeyboardInterrupt

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    started, measured = time.monotonic(), []
    files = 0
    while time.monotonic() - started < 60 * minutes or len(measured) < 30:
        with suppress(KeyboardInterrupt):
            seqkit.train(recipe, "soak", callbacks=[Stop()])
        run = seqkit.resume("soak")
        run.evaluate("validation")
        run.generate("the ")
        shutil.rmtree("soak")
        gc.collect()  # maps of the corpus wait for it, in cycles with the exception
        measured.append(resident())
        files = files or opened()
    warm = measured[len(measured) // 3]
    grown = max(measured[-5:]) / warm - 1
    assert grown <= 0.05, f"{len(measured)} rounds: {warm:,} bytes, then {measured[-1]:,}"
    assert opened() <= files
    left = [path for path in Path(".").rglob("*") if ".partial" in path.name or path.name.startswith("tmp")]
    assert not left
    print(json.dumps({"rounds": len(measured), "megabytes": [warm / 1e6, measured[-1] / 1e6]}))
