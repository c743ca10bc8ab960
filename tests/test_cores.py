import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import seqkit
from seqkit import cores
from seqkit.cli import cli
from seqkit.cores import Reading, free_beside, granted
from seqkit.recipe import TrainConfig
from seqkit.run.setup import process_for

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not report it")

# user nice system idle iowait irq softirq steal guest guest_nice, in hundredths of a second
STAT = """cpu  900 0 900 900 0 0 0 0 0 0
cpu0 {work} 10 30 5000 700 1 2 3 50 50
cpu1 200 0 0 9000 0 0 0 0 0 0
cpu7 99999 0 0 0 0 0 0 0 0 0
intr 12 34
"""


@pytest.mark.parametrize(
    ("others", "many", "has", "expected"),
    [
        (0.0, 2, None, 2),
        (0.2, 2, None, 2),  # a desktop is never fully idle
        (0.4, 2, None, 1),
        (1.0, 2, None, 1),
        (2.0, 2, None, 1),
        (2.0, 16, None, 14),
        (-0.1, 2, None, 2),  # the clocks of a reading differ a little
        (40.0, 64, 2, 2),
        (63.0, 64, 2, 1),
        (0.0, 64, 4, 4),
    ],
)
def test_free_cores(others: float, many: int, has: int | None, expected: int) -> None:
    assert free_beside(others, many, has) == expected


@linux
def test_the_use_of_others_is_all_work_except_ones_own(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workdir / "proc").mkdir()
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    monkeypatch.setattr("time.process_time", iter([5.0, 6.0]).__next__)
    monkeypatch.setattr("time.monotonic", iter([70.0, 72.0]).__next__)
    readings = []
    for work in (100, 400):
        (workdir / "proc/stat").write_text(STAT.format(work=work))
        readings.append(Reading.now(workdir))
    before, after = readings
    assert before.worked == pytest.approx((100 + 10 + 30 + 1 + 2 + 3 + 200) / 100)
    assert after.others_since(before) == pytest.approx((3 - 1) / 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        *((odd, None) for odd in ("", "max", "x y", "100000 0")),
    ],
)
def test_a_container_has_fewer(workdir: Path, text: str | None, expected: int | None) -> None:
    if text is not None:
        (workdir / "sys/fs/cgroup").mkdir(parents=True)
        (workdir / "sys/fs/cgroup/cpu.max").write_text(text)
    assert granted(workdir) == expected


BUSY = "while True: pass"


@linux
@pytest.mark.ci
def test_a_process_that_works_takes_a_core() -> None:
    """Pinned to one core, to which another process is pinned too."""
    code = (
        "import os, subprocess, sys, time\n"
        "core = min(os.sched_getaffinity(0))\n"
        "os.sched_setaffinity(0, {core})\n"
        "from seqkit.cores import Reading\n"
        f"busy = subprocess.Popen([sys.executable, '-c', {BUSY!r}])\n"
        "time.sleep(0.5)\n"
        "before = Reading.now()\n"
        "time.sleep(1)\n"
        "print(Reading.now().others_since(before))\n"
        "busy.kill()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0.8


class TestProcess:
    @pytest.fixture(autouse=True)
    def two_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.setattr(cores, "free_cores", lambda: 1)
        torch.set_num_threads(2)  # the fixture of each test sets one again

    def threads(self, **train: int) -> int:
        with process_for(TrainConfig(**train)):
            return torch.get_num_threads()

    def test_a_run_leaves_busy_cores(self) -> None:
        assert self.threads() == 1
        assert torch.get_num_threads() == 2

    def test_the_users_choice_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.threads(threads=2) == 2
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert self.threads() == 2

    def test_never_more_than_there_were(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cores, "free_cores", lambda: 16)
        assert self.threads() == 2

    def test_it_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO", logger="seqkit"):
            self.threads()
        assert "this program computes with 1 of 2 threads" in caplog.text

    @pytest.mark.parametrize("verb", [["generate"], ["score", "my.txt"], ["evaluate"], ["states", "my.txt"]])
    @pytest.mark.ci
    def test_every_verb(self, verb: list[str], tiny_recipe: seqkit.Recipe, text_file: Path) -> None:
        run = seqkit.train(tiny_recipe, "run")
        torch.set_num_threads(2)
        name, *words = verb
        result = CliRunner().invoke(cli, [name, str(run.path), *words])
        assert result.exit_code == 0, result.output
        assert torch.get_num_threads() == 1
