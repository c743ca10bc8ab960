"""First-party plugins, each alone in an environment, and the projects that `seqkit new` writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import seqkit.scaffold
from tests.ci.environments import Environment, only

ROOT = Path(__file__).parents[2]
PLUGINS = sorted((ROOT / "plugins").iterdir())
NAMES = [path.name for path in PLUGINS]


def passed(output: str) -> int:
    """Number of passed tests, as pytest reports it."""
    found = re.search(r"(\d+) passed", output)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_first_party_plugin_passes_its_tests_alone(plugin: Path, workdir: Path) -> None:
    environment = Environment(workdir / "env")
    environment.install("--no-deps", str(plugin))
    env = only(plugin.name, NAMES)
    listed = environment.run("seqkit", "plugins", env=env)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("blocked") == len(NAMES) - 1
    tests = environment.run(
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(plugin),
        str(plugin / "tests"),
        env=env,
    )
    assert tests.returncode == 0, tests.stdout
    assert (
        passed(tests.stdout)
        >= {"seqkit-gated": 150, "seqkit-subword": 35, "seqkit-tensorboard": 2}[plugin.name]
    )


@pytest.mark.parametrize("kind", seqkit.scaffold.KINDS)
def test_a_generated_project_installs_and_its_tests_pass(kind: str, workdir: Path) -> None:
    environment = Environment(workdir / "env")
    made = environment.run("seqkit", "new", kind, "my-own")
    assert made.returncode == 0, made.stderr
    environment.install("-e", "./seqkit-my-own")
    tests = environment.run("pytest", "-q", "seqkit-my-own")
    assert tests.returncode == 0, tests.stdout
    assert passed(tests.stdout) >= {"cell": 50, "tokenizer": 34, "source": 2, "head": 20}[kind]
    listed = environment.run("seqkit", "plugins")
    assert "my-own" in listed.stdout
    assert "seqkit-my-own" in listed.stdout
    again = environment.run("seqkit", "new", kind, "my-own")
    assert again.returncode == 2
    assert "seqkit-my-own exists already; nothing was written." in again.stderr


@pytest.mark.parametrize("kind", seqkit.scaffold.KINDS)
def test_a_generated_file_runs(kind: str, workdir: Path, text_file: Path) -> None:
    environment = Environment(workdir / "env")
    made = environment.run("seqkit", "new", kind, "mine", "--single-file")
    assert made.returncode == 0, made.stderr
    line = next(line for line in made.stdout.splitlines() if line.strip().startswith("seqkit run"))
    done = environment.run(*line.split(), "train.steps=3", "train.seq_len=10", "--out", "run")
    assert done.returncode == 0, done.stderr
    opened = environment.run("seqkit", "generate", "run", "a", "-p", "mine.py", "--max-tokens", "3")
    assert opened.returncode == 0, opened.stderr
