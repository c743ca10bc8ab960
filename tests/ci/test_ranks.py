"""Several processes on the command line: signals, kills, mistakes, two machines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import seqkit
from seqkit.cli.ranks import exit_code
from seqkit.run import rundir, train_seeds
from tests.ranks import free_port, together
from tests.run.test_ranks import continued, digest, same_rows, trained

LEAVES_WITHIN_S = 5.0
SEQKIT = [sys.executable, "-m", "seqkit"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SLOW = """
import time
from seqkit.plugin import hookimpl

@hookimpl
def seqkit_step_finished(run, step, metrics):
    time.sleep(0.03)
"""


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    """Trains for some seconds, and saves often."""
    Path("slow.py").write_text(SLOW)
    recipe = tiny_recipe.override(
        ["train.steps=150", "train.save_every=20", "train.evaluate_every=50", "model.dropout=0.2"]
    )
    recipe.save("tiny.toml")
    return recipe


def start(*words: str, launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Begin the run `out`, and wait until it trains."""
    line = [*(launcher or [sys.executable]), "-m", "seqkit", "run", "tiny.toml", "-p", "./slow.py"]
    process = subprocess.Popen(
        [*line, "--out", "out", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 60
    while not Path("out/checkpoints").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def workers(of: subprocess.Popen[str]) -> list[int]:
    """The processes that train, by rank."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        here = os.fsencode(os.getcwd())
        if b"PWD=" + here in environment or os.path.realpath(folder / "cwd") == os.getcwd():
            ranks = [each for each in environment if each.startswith(b"RANK=")]
            if ranks and b"seqkit" in words:
                found[int(ranks[0].removeprefix(b"RANK="))] = int(folder.name)
    return [found[rank] for rank in sorted(found)]


def steps_of(path: str) -> list[int]:
    found = Path(path, "checkpoints").glob("step-*[0-9]")  # not one that is being written
    return sorted(int(each.name.removeprefix("step-")) for each in found)


SIGNALS = [
    ("launcher", 15, 143),
    ("launcher", 1, 143),
    ("rank 0", 15, 143),
    ("rank 1", 15, 143),
    ("launcher", 2, 130),
]


@pytest.mark.parametrize(("whom", "number", "code"), SIGNALS)
def test_a_signal_to_any_process_ends_all_after_one_step(
    recipe: seqkit.Recipe, whom: str, number: int, code: int
) -> None:
    end_by_a_signal(recipe, whom, number, code)


def end_by_a_signal(recipe: seqkit.Recipe, whom: str, number: int, code: int, after_s: float = 0.0) -> None:
    process = start("--ranks", "2")
    time.sleep(after_s)
    ranks = workers(process)
    asked = time.monotonic()
    os.kill(process.pid if whom == "launcher" else ranks[int(whom[-1])], number)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode == code, printed
    while workers(process):
        assert time.monotonic() - asked < LEAVES_WITHIN_S + 5
        time.sleep(0.05)
    assert time.monotonic() - asked < LEAVES_WITHIN_S + 5  # importing torch again takes some of it
    ended = rundir.read_object(Path("out/ended.json"))
    assert ended["ended_by"] == ("SIGINT" if number == signal.SIGINT else "SIGTERM")
    assert ended["finished"] is False
    assert ended["steps"] in steps_of("out")
    assert printed.count("interrupted at step") == 1
    assert "Traceback" not in printed
    if whom == "rank 1":
        together(2, continued, "out", [])
        together(2, trained, recipe, "whole")
        assert digest("out") == digest("whole")


def test_a_rank_that_is_killed_and_a_restart(recipe: seqkit.Recipe) -> None:
    process = start("--resume", launcher=[*TORCHRUN, "--max-restarts", "1"])
    while not steps_of("out"):
        time.sleep(0.05)
    os.kill(workers(process)[1], signal.SIGKILL)
    printed = process.communicate(timeout=120)[0]
    assert process.returncode == 0, printed
    assert "Error: rank 1 (" in printed
    assert "; the last checkpoint is step " in printed
    assert "out continues from step" in printed
    together(2, trained, recipe, "whole")
    assert digest("out") == digest("whole")


@pytest.mark.parametrize(
    ("codes", "code", "says"),
    [
        ({0: 1, 1: -9}, 1, ""),  # the first process has heard of it, and said so
        ({1: -1, 0: 1}, 1, ""),
        ({0: 143, 1: -9}, 1, "Error: rank 1 was ended by SIGKILL."),
        ({0: -9}, 1, "Error: rank 0 was ended by SIGKILL."),
        ({0: 143, 1: -11}, 1, "Error: rank 1 was ended by SIGSEGV."),
        ({0: 143, 1: -15}, 143, ""),
        ({0: 130}, 130, ""),
        ({0: 143, 1: 2}, 2, ""),
    ],
)
def test_the_exit_code_of_several_processes(
    codes: dict[int, int], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(codes) == code
    assert capsys.readouterr().err.split("\n")[0] == says


def test_a_rank_that_is_killed_before_the_first_step(recipe: seqkit.Recipe) -> None:
    line = [sys.executable, "-m", "seqkit", "run", "tiny.toml", "-p", "./slow.py", "--out", "out"]
    process = subprocess.Popen([*line, "--ranks", "2"], stderr=subprocess.PIPE, text=True)
    while not (found := workers(process)):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(found[-1], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert said.count("Error: rank ") == 1
    assert "Traceback" not in said


def run_ranks(*words: str, rank_one: str = "") -> subprocess.CompletedProcess[str]:
    """Two processes; in the second one, the shell command `rank_one` comes first."""
    line = " ".join([*SEQKIT, "run", *words])
    Path("both.sh").write_text(f'if [ "$RANK" = 1 ]; then {rank_one or ":"}; fi\nexec {line}\n')
    port, began = free_port(), time.monotonic()
    processes = []
    for rank in range(2):
        environment = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        processes.append(
            subprocess.Popen(
                ["bash", "both.sh"],
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert time.monotonic() - began < 30
    assert processes[0].returncode == processes[1].returncode, printed
    assert "Traceback" not in printed[0] + printed[1]
    return subprocess.CompletedProcess(line, processes[0].returncode, printed[0], printed[1])


@pytest.mark.parametrize(
    ("rank_one", "words", "says"),
    [
        ("sed -i s/the/a/ my.txt", [], "would train something else than rank 0"),
        ("head -c 9000 my.txt > x; mv x my.txt", [], "would train something else than rank 0"),
        ("", ["cell.hiden_size=3"], "cell.hiden_size: unknown key"),
        ("", ["--seed", "3"], "No such option '--seed'"),
        ("cd empty", ["-p", "./slow.py"], "slow.py"),
    ],
    ids=["other data", "shorter data", "a wrong recipe", "a wrong option", "no such plugin on one"],
)
def test_mistakes_are_reported_once(
    recipe: seqkit.Recipe, rank_one: str, words: list[str], says: str
) -> None:
    Path("empty").mkdir()
    text = Path("my.txt")
    other = Path("other")
    other.mkdir()
    shutil.copy(text, other)
    if "my.txt" in rank_one:  # each process reads a text of its own, under one name
        rank_one = f"cd other; {rank_one}"
    for folder in (Path(), other, Path("empty")):
        recipe.override(["source.path=my.txt"]).resolve().save(folder / "tiny.toml")
        file = folder / "tiny.toml"
        file.write_text(file.read_text().replace(str(text.resolve()), "my.txt"))
    shutil.copy(text, "empty")
    ended = run_ranks("tiny.toml", "--out", "out", *words, rank_one=rank_one)
    assert ended.returncode == 2, ended
    assert says in ended.stdout
    assert ended.stdout.count("Error:") == 1
    assert ended.stderr == ""
    assert not any(Path(folder, "out").exists() for folder in (".", "other", "empty"))


def test_a_directory_that_is_in_use(recipe: seqkit.Recipe) -> None:
    seqkit.train(recipe.override(["train.steps=2"]), "out")
    ended = run_ranks("tiny.toml", "--out", "out")
    assert ended.returncode == 2
    assert "out holds another run" in ended.stdout
    assert ended.stderr == ""


def test_seeds_side_by_side(recipe: seqkit.Recipe) -> None:
    words = ["tiny.toml", "train.steps=30", "--seeds", "3"]
    subprocess.run([*SEQKIT, "run", *words, "--out", "two", "--ranks", "2"], check=True)
    train_seeds(recipe.override(["train.steps=30"]), 3, "one")
    for seed in range(3):
        assert digest(f"two/seed-{seed}") == digest(f"one/seed-{seed}")
    two, one = (rundir.read_object(Path(name, "summary.json")) for name in ("two", "one"))
    assert two | {"path": ""} == one | {"path": ""}


@contextmanager
def two_machines() -> Iterator[list[tuple[list[str], str, str]]]:
    """For each machine: the words before a command, its address and its network interface."""

    def ip(*words: str) -> bool:
        return subprocess.run(["ip", *words], capture_output=True).returncode == 0

    names = [f"seqkit-{os.getpid()}-{number}" for number in range(2)]
    links = [f"sk{os.getpid() % 100000}{letter}" for letter in "ab"]
    made = shutil.which("ip") is not None and all(ip("netns", "add", name) for name in names)
    made = made and ip("link", "add", links[0], "type", "veth", "peer", "name", links[1])
    for number, (name, link) in enumerate(zip(names, links, strict=True)):
        made = (
            made
            and ip("link", "set", link, "netns", name)
            and ip("-n", name, "addr", "add", f"10.77.0.{number + 1}/24", "dev", link)
            and ip("-n", name, "link", "set", link, "up")
            and ip("-n", name, "link", "set", "lo", "up")
        )
    try:
        if made:
            yield [
                (["ip", "netns", "exec", name], f"10.77.0.{number + 1}", links[number])
                for number, name in enumerate(names)
            ]
        else:
            yield [([], "127.0.0.1", "lo")] * 2
    finally:
        for name in names:
            ip("netns", "delete", name)


def test_two_machines_without_a_common_directory(recipe: seqkit.Recipe) -> None:
    port, processes = free_port(), []
    with two_machines() as machines:
        for number, (before, address, interface) in enumerate(machines):
            folder = Path(f"machine-{number}")
            folder.mkdir()
            recipe.save(folder / "tiny.toml")
            launcher = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", "1"]
            endpoint = ["--rdzv-endpoint", f"{machines[0][1]}:{port}", "--local-addr", address]
            endpoint += ["--rdzv-conf", f"is_host={number == 0}"]
            line = [sys.executable, "-m", "torch.distributed.run", *launcher, *endpoint, "-m", "seqkit"]
            processes.append(
                subprocess.Popen(
                    [*before, *line, "run", "tiny.toml", "train.steps=40", "--out", "out", "--resume"],
                    cwd=folder,
                    env={
                        **os.environ,
                        "GLOO_SOCKET_IFNAME": interface,
                        "SEQKIT_CACHE": str(folder.resolve() / "cache"),
                    },
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    runs = [folder / "out" for folder in (Path("machine-0"), Path("machine-1")) if (folder / "out").exists()]
    assert len(runs) == 1
    seqkit.train(recipe.override(["train.steps=40"]), "one")
    provenance = seqkit.load(runs[0]).provenance
    assert provenance["ranks"] == 2
    assert [row["tokens"] for row in rundir.read_metrics(runs[0])] == [
        row["tokens"] for row in rundir.read_metrics(Path("one"))
    ]


AUDITED = """
import sys
found = []

def hook(event, arguments):
    if event == "pickle.find_class":
        found.append(arguments)

import seqkit, seqkit.run.training, seqkit.training.joining, torch.distributed
sys.addaudithook(hook)
seqkit.train("tiny.toml", "out", resume=True)
assert not found, found
"""


def test_nothing_is_unpickled(recipe: seqkit.Recipe) -> None:
    Path("audited.py").write_text(AUDITED)
    recipe.override(["train.steps=25"]).save("tiny.toml")
    subprocess.run([*TORCHRUN, "audited.py"], check=True)
    recipe.override(["train.steps=40"]).save("tiny.toml")
    subprocess.run([*TORCHRUN, "audited.py"], check=True)
    assert rundir.read_object(Path("out/ended.json"))["steps"] == 40


def test_the_same_run_by_the_command(recipe: seqkit.Recipe) -> None:
    words = ["train.steps=40", "model.dropout=0"]
    seqkit.train(recipe.override(words), "one")
    subprocess.run([*SEQKIT, "run", "tiny.toml", *words, "--out", "two", "--ranks", "2"], check=True)
    same_rows("two", "one")
