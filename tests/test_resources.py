import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqkit import resources
from seqkit.errors import SeqkitError


def test_the_growth_of_the_peak_includes_memory_that_was_freed_again() -> None:
    def work() -> None:
        np.ones(4_000_000)  # 32 MB
        np.ones(500_000)

    growth = resources.peak_growth(work)
    assert 30 < growth < 45
    assert resources.peak() > growth


KEEPING = """
import resource, sys
import numpy as np
from seqkit.resources import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def train():
    arrays = [np.ones(1_000_000) for _ in range(4)]

train()
before = faults()
train()
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the option belongs to the C library of Linux")
def test_freed_memory_is_kept_and_reused() -> None:
    def faults(mode: str) -> int:
        command = [sys.executable, "-c", KEEPING, mode]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < faults("leave") / 4


class TestAvailable:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable:  9000000 kB\n")
        return tmp_path

    def limit(self, root: Path, limit: str) -> Path:
        folder = root / "sys/fs/cgroup"
        folder.mkdir(parents=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("500000000\n")
        return root

    def test_of_the_machine(self, root: Path) -> None:
        assert resources.available(root) == 9216

    def test_of_the_container(self, root: Path) -> None:
        assert resources.available(self.limit(root, "2000000000")) == 1500

    def test_of_a_container_without_a_limit_or_with_a_wide_one(self, root: Path) -> None:
        assert resources.available(self.limit(root, "max")) == 9216
        (root / "sys/fs/cgroup/memory.max").write_text("99000000000\n")
        assert resources.available(root) == 9216

    def test_none_if_the_system_does_not_report_it(self, tmp_path: Path) -> None:
        assert resources.available(tmp_path) is None

    def test_of_this_machine(self) -> None:
        found = resources.available()
        assert found is not None
        assert found > 10


def test_a_benchmark_needs_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "peak_is_known", lambda: False)
    with pytest.raises(SeqkitError, match="resets the peak memory of a process, which works on Linux only"):
        resources.require_linux()
