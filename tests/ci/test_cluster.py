"""The pages of docs/how-to/cluster.md, run by stand-ins for the schedulers, which stop and repeat them."""

from __future__ import annotations

import configparser
import os
import random
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import seqkit
from seqkit.run import rundir
from tests.ci.test_ranks import SLOW
from tests.ranks import free_port, together
from tests.run.test_ranks import digest, trained

PAGE = Path(__file__).parents[2] / "docs/how-to/cluster.md"
MOST_REPEATS = 20
STEPS = 200


@pytest.fixture
def recipe(tiny_recipe: seqkit.Recipe) -> seqkit.Recipe:
    Path("slow.py").write_text(SLOW.replace("0.03", "0.01"))
    recipe = tiny_recipe.override(
        [f"train.steps={STEPS}", "train.save_every=50", "train.evaluate_every=50", "model.dropout=0.2"]
    )
    recipe.save("tiny.toml")
    return recipe


def block(language: str, number: int = 0) -> str:
    """A block of the page, for the small recipe of these tests, and a directory of theirs."""
    parts = PAGE.read_text("utf-8").split(f"```{language}\n")[1:]
    text = [part.split("```", 1)[0] for part in parts][number]
    return text.replace("char-lstm", "tiny.toml -p ./slow.py").replace("/shared/demo", "out")


@dataclass
class Stopped:
    """What a stand-in has done."""

    saves_s: list[float] = field(default_factory=list)
    repeats: int = 0


@dataclass
class Notice:
    """How a scheduler stops a job.

    Args:
        signals: those that it sends.
        grace_s: seconds until it sends SIGKILL.
        to_all: whether every process gets them but the first one, which is a shell, or the first one only.
    """

    signals: tuple[int, ...] = (signal.SIGTERM,)
    grace_s: float = 30.0
    to_all: bool = False


def family(pid: int) -> list[int]:
    """A process and all that it has started, the youngest first."""
    found = [pid]
    for task in found:
        for each in Path(f"/proc/{task}/task").glob("*/children"):
            found += [int(child) for child in each.read_text().split()]
    return found[::-1]


def run_until(
    line: list[str],
    repeats_if: Callable[[int], bool],
    stops: list[int],
    notice: Notice,
    environment: dict[str, str] | None = None,
) -> Stopped:
    """Run a command, stop it at these steps, and repeat it where the scheduler would."""
    stopped, stops = Stopped(), list(stops)
    for _ in range(MOST_REPEATS):
        process = subprocess.Popen(line, env={**os.environ, **(environment or {})}, start_new_session=True)
        while stops and process.poll() is None and last_step() < stops[0]:
            time.sleep(0.01)
        if stops and process.poll() is None:
            stops.pop(0)
            asked = time.monotonic()
            for number in notice.signals:
                for pid in family(process.pid)[:-1] if notice.to_all else [process.pid]:
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        continue
            try:
                process.wait(notice.grace_s)
            except subprocess.TimeoutExpired:
                for pid in family(process.pid):
                    os.kill(pid, signal.SIGKILL)
                raise AssertionError("it did not end within its notice") from None
            stopped.saves_s.append(round(time.monotonic() - asked, 2))
        code = process.wait(120)
        if not repeats_if(code if code >= 0 else 128 - code):
            return stopped
        stopped.repeats += 1
    raise AssertionError("it was repeated without end")


def last_step() -> int:
    """The last step of the run that has a row of metrics."""
    try:
        rows = rundir.read_metrics(Path("out"))
    except Exception:
        return 0
    return rows[-1]["step"] if rows else 0


def executable(name: str, text: str) -> None:
    path = Path("bin", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


SRUN = f"""#!{sys.executable}
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: None)  # srun is not one of the processes of its step
copies = [subprocess.Popen(sys.argv[1:]) for _ in range(int(os.environ.get("SLURM_JOB_NUM_NODES", 1)))]
sys.exit(max(code if code >= 0 else 128 - code for code in [copy.wait() for copy in copies]))
"""
SCONTROL = """#!/bin/bash
if [ "$1" = requeue ]; then touch requeued; else echo localhost; echo localhost; fi
"""


def slurm(number: int, stops: list[int], notice: Notice, nodes: int = 1) -> Stopped:
    """A stand-in for sbatch: runs a script of the page, and again if it was preempted or asks for it."""
    executable("srun", SRUN)
    executable("scontrol", SCONTROL)
    executable("seqkit", f'#!/bin/bash\nexec {sys.executable} -m seqkit "$@"\n')
    executable("torchrun", f'#!/bin/bash\nexec {sys.executable} -m torch.distributed.run "$@"\n')
    script = [text for text in (block("bash", place) for place in range(3)) if text.startswith("#!")][number]
    Path("job.sh").write_text(script.replace("--ranks 4", "--ranks 2").replace(":29400", f":{free_port()}"))
    script = Path("job.sh").read_text().replace("--nproc-per-node 2", "--nproc-per-node 1")
    Path("job.sh").write_text(script)
    environment = {
        "PATH": f"{Path('bin').resolve()}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NUM_NODES": str(nodes),
        "SLURM_JOB_NODELIST": "localhost",
    }

    def repeats(code: int) -> bool:
        asked = Path("requeued").exists()
        Path("requeued").unlink(missing_ok=True)
        return asked

    return run_until(["bash", "job.sh"], repeats, stops, notice, environment)


def words(text: str) -> list[str]:
    """A command of the page, for this interpreter."""
    found = shlex.split(text) if isinstance(text, str) else text
    place = next(index for index, word in enumerate(found) if word.endswith("seqkit"))
    return [sys.executable, "-m", "seqkit", *found[place + 1 :]]


def kubernetes(stops: list[int], notice: Notice) -> Stopped:
    """A stand-in for a Job: ends at the exit codes of its policy, ignores disruptions, else begins again."""
    job = yaml.safe_load(block("yaml"))["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    (fails,) = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert fails["onExitCodes"]["containerName"] == container["name"]
    given = Notice(notice.signals, min(notice.grace_s, pod["terminationGracePeriodSeconds"]))
    line = words(" ".join(container["command"]))
    return run_until(line, lambda code: code not in (0, *fails["onExitCodes"]["values"]), stops, given)


def systemd(stops: list[int], notice: Notice) -> Stopped:
    """A stand-in for a unit on a machine that goes away, and comes back."""
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # keys of systemd have capitals
    unit.read_string(block("ini"))
    service = unit["Service"]
    never = {0, *map(int, service["RestartPreventExitStatus"].split())}
    assert service["Restart"] == "on-failure"
    given = Notice(notice.signals, float(service["TimeoutStopSec"]))
    return run_until(words(service["ExecStart"]), lambda code: code not in never, stops, given)


def kubeflow(stops: list[int], notice: Notice) -> Stopped:
    """A stand-in for restartPolicy ExitCode: repeats where the code is 128 or more."""
    line = words("seqkit run tiny.toml -p ./slow.py --out out --resume")
    return run_until(line, lambda code: code >= 128, stops, notice)


def stop_on(stops: list[int], notice: Notice) -> Stopped:
    """A site that sends SIGUSR1."""
    line = words("seqkit run tiny.toml -p ./slow.py --out out --resume --stop-on USR1,USR2")
    return run_until(line, lambda code: code == 143, stops, Notice((signal.SIGUSR1,)))


def slower() -> None:
    """Let the steps last longer than the limit, which has to be longer than the start."""
    Path("slow.py").write_text(SLOW.replace("0.03", "0.15"))


def stop_after(stops: list[int], notice: Notice) -> Stopped:
    """A limit of the process: each time it trains for some seconds."""
    line = words("seqkit run tiny.toml -p ./slow.py --out out --resume --stop-after 20s")
    slower()
    return run_until(line, lambda code: code == 143, [], notice)


def stop_before_the_end_of_the_job(stops: list[int], notice: Notice) -> Stopped:
    """`--stop-after slurm`, in a job that ends soon after its margin."""
    slower()
    end = "export SLURM_JOB_END_TIME=$(($(date +%s) + 140))"
    executable("seqkit", f'#!/bin/bash\n{end}\nexec {sys.executable} -m seqkit "$@"\n')
    line = [str(Path("bin/seqkit")), *words("seqkit run tiny.toml -p ./slow.py --out out --resume")[3:]]
    return run_until([*line, "--stop-after", "slurm"], lambda code: code == 143, [], notice)


WAYS: dict[str, tuple[int, Callable[[list[int]], Stopped]]] = {
    "SLURM, preempted": (
        2,
        lambda stops: slurm(0, stops, Notice((signal.SIGCONT, signal.SIGTERM), 30.0, to_all=True)),
    ),
    "SLURM, time limit, several machines": (2, lambda stops: slurm(1, stops, Notice(to_all=True), nodes=2)),
    "Kubernetes": (1, lambda stops: kubernetes(stops, Notice())),
    "GKE spot": (1, lambda stops: kubernetes(stops, Notice(grace_s=15.0))),
    "EC2 spot, systemd": (1, lambda stops: systemd(stops, Notice(grace_s=120.0))),
    "Kubeflow": (1, lambda stops: kubeflow(stops, Notice())),
    "--stop-on": (1, lambda stops: stop_on(stops, Notice())),
    "--stop-after": (1, lambda stops: stop_after(stops, Notice())),
    "--stop-after slurm": (1, lambda stops: stop_before_the_end_of_the_job(stops, Notice())),
}


def stop_and_repeat(recipe: seqkit.Recipe, way: str, count: int, seed: int) -> Stopped:
    """Stop a run that many times; in the end it is the run that was never stopped."""
    ranks, stand_in = WAYS[way]
    stops = sorted(random.Random(seed).sample(range(10, STEPS - 20, 10), count))
    stopped = stand_in(stops)
    print(f"{way}: {stopped.repeats} repeats, saved and ended in {stopped.saves_s} s")
    if ranks == 1:
        trained(recipe, "whole")
    else:
        together(ranks, trained, recipe, "whole")
    assert rundir.read_object(Path("out/ended.json"))["finished"] is True
    assert digest("out") == digest("whole")
    return stopped


@pytest.mark.parametrize("way", WAYS)
def test_a_scheduler_stops_the_run_and_repeats_the_line(recipe: seqkit.Recipe, way: str) -> None:
    stopped = stop_and_repeat(recipe, way, 2 if way == "Kubernetes" else 1, seed=len(way))
    assert stopped.repeats >= 1


def test_a_mistake_is_not_repeated(recipe: seqkit.Recipe) -> None:
    Path("my.txt").write_text("")
    for stand_in in (kubernetes, systemd, kubeflow):
        assert stand_in([], Notice()).repeats == 0


def test_the_page_has_no_other_snippets() -> None:
    """Those that are not run here are run with the other pages, or are the line for several machines."""
    text: Any = PAGE.read_text("utf-8")
    assert [text.count(f"```{language}\n") for language in ("sh", "bash", "yaml", "ini")] == [1, 3, 1, 1]
