"""Only one process at a time writes to a run directory."""

import errno
import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import seqkit
from seqkit.errors import LostClaimError, RunError
from seqkit.run import rundir
from seqkit.run.claim import _lost, claim
from seqkit.run.rundir import write_json


def strays(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def try_to_claim(out: Path, barrier: Any, results: Any) -> None:
    barrier.wait()
    try:
        with claim(out, "x"):
            (out / rundir.RECIPE).write_text("the winner's")
            time.sleep(0.2)
        results.put("won")
    except RunError as error:
        results.put(str(error))


@pytest.mark.ci
def test_of_several_processes_one_gets_the_directory(workdir: Path) -> None:
    fork = multiprocessing.get_context("fork")
    for round_ in range(10):
        out = workdir / f"run-{round_}"
        barrier, results = fork.Barrier(3), fork.Queue()
        processes = [fork.Process(target=try_to_claim, args=(out, barrier, results)) for _ in range(3)]
        for process in processes:
            process.start()
        said = [results.get(timeout=30) for _ in processes]
        for process in processes:
            process.join()
        said.remove("won")
        assert "won" not in said
        assert all("is being written by" in each or "holds another run" in each for each in said), said
        assert strays(out) == [rundir.RECIPE]


def test_the_holder_is_named(workdir: Path) -> None:
    with claim("a", "x") as path:
        with pytest.raises(RunError, match=f"by process {os.getpid()} on .*, since 20"):
            claim("a", "x").__enter__()
        assert strays(path) == [rundir.CLAIM, rundir.LOCK]
    assert not path.exists()  # nothing was written to it


def test_a_run_without_a_name_takes_the_next_directory() -> None:
    with claim(None, "x") as first, claim(None, "x") as second:
        assert [first, second] == [Path("runs/x"), Path("runs/x-2")]


def kill_the_holder_of(out: Path) -> None:
    def hold() -> None:
        with claim(out, "x"):
            time.sleep(60)

    process = multiprocessing.get_context("fork").Process(target=hold)
    process.start()
    for _ in range(1000):
        if (out / rundir.CLAIM).exists():
            break
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_the_lock_of_a_killed_process_is_free(workdir: Path) -> None:
    kill_the_holder_of(workdir / "a")
    with claim(workdir / "a", "x") as path:
        assert json.loads((path / rundir.CLAIM).read_text())["process"] == os.getpid()


def test_a_process_that_fails_does_not_change_the_run_of_another(
    tiny_recipe: seqkit.Recipe, workdir: Path
) -> None:
    begun, failed = threading.Event(), threading.Event()

    class Wait:
        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            if step == 5:
                begun.set()
                assert failed.wait(60)

    def other() -> None:
        assert begun.wait(60)
        for _ in range(3):
            with pytest.raises(RunError, match="is being written"):
                seqkit.train(tiny_recipe, "a")
        failed.set()

    thread = threading.Thread(target=other)
    thread.start()
    run = seqkit.train(tiny_recipe, "a", callbacks=[Wait()])
    thread.join()
    assert run.provenance["steps"] == 30
    assert not {rundir.LOCK, rundir.CLAIM} & {*strays(workdir / "a")}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_a_run_that_has_no_weights_is_removed(
    tiny_recipe: seqkit.Recipe, workdir: Path, stop: type[BaseException]
) -> None:
    class Stop:
        def run_started(self, trainer: Any) -> None:
            raise stop

    with pytest.raises(stop):
        seqkit.train(tiny_recipe, "a", callbacks=[Stop()])
    assert not (workdir / "a").exists()


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system, such as some network ones, that has no locks."""
    import fcntl

    def flock(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("without_locks")
def test_without_locks_there_is_a_lease(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with claim("a", "x") as path:
        assert "a is on a file system without locks, so a lease is used" in caplog.text
        assert strays(path) == [rundir.CLAIM, rundir.LEASE]
        with pytest.raises(RunError, match=f"is being written by process {os.getpid()} on "):
            claim("a", "x").__enter__()
        (path / rundir.RECIPE).write_text("x")
    assert strays(path) == [rundir.RECIPE]
    with pytest.raises(RunError, match="holds another run"):
        claim("a", "x").__enter__()
    assert strays(path) == [rundir.RECIPE]


@pytest.mark.ci
@pytest.mark.usefixtures("without_locks")
def test_the_lease_of_a_killed_process_is_free(workdir: Path) -> None:
    kill_the_holder_of(workdir / "a")
    with claim(workdir / "a", "x") as path:
        assert json.loads((path / rundir.CLAIM).read_text())["process"] == os.getpid()


@pytest.mark.ci
@pytest.mark.usefixtures("without_locks")
def test_who_has_lost_the_lease_writes_no_more(
    tiny_recipe: seqkit.Recipe, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqkit.locks.LEASE_S", 1.0)
    left: dict[str, bytes] = {}

    class Suspended:
        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            if step == 15:
                (workdir / "a" / rundir.LEASE).unlink()  # another machine takes it
                write_json(workdir / "a" / rundir.CLAIM, {"process": 1, "host": "other", "since": "now"})
                for _ in range(300):
                    if Path("a") in _lost:
                        break
                    time.sleep(0.02)
                left.update({str(file): file.read_bytes() for file in Path("a").rglob("*") if file.is_file()})

    with pytest.raises(LostClaimError, match="is being written by process 1 on other, since now"):
        seqkit.train(tiny_recipe, "a", callbacks=[Suspended()])
    assert {str(file): file.read_bytes() for file in Path("a").rglob("*") if file.is_file()} == left
