"""Every code block of the documentation runs: Python as written, recipes as files, commands as commands.

A block with `title="path"` is written to that path. Commands that train run with a few steps only. The
output of commands (`text` blocks) is not compared with the page.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sybil import Document, Example, Region, Sybil

import seqkit
from seqkit.registry import default_registry
from tests.ci.environments import Environment
from tests.conftest import LINES
from tests.forked import run_seqkit

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").glob("*/README.md")])
SERIES = ("stocks", "stocks-panel", "volatility")
LONG_TO_COMPILE = ("gru", "slstm", "mlstm", "rwkv", "attention")
"""Cells of a benchmark that other tests compile."""
REDUCED = ["train.steps=12", "train.evaluate_every=6"]
SMALLER = {
    "busy": ["--seconds", "0.5", "--repeats", "1"],
    "checkpoint": ["--seconds", "4"],
    "cells": ["--steps", "6", "--seeds", "2", "--parameters", "20000"],
    "controls": ["--rows", "400", "--series", "1", "--walks", "1"],
    "data": ["--megabytes", "2"],
    "engine": ["rnn", "--shape", "8x6x16", "--repeats", "2"],
    "generate": ["rnn", "--tokens", "10", "--repeats", "1"],
    "memory": ["rnn", "--batch-size", "2", "--hidden-size", "8"],
    "prices": ["--rows", "20000", "--repeats", "1"],
    "ranks": ["quickstart", "--seconds", "1", "--repeats", "1", "--engine", "fused"],
    "recipes": ["--minutes", "0.01", "--seeds", "2"],
    "start": ["rnn", "--repeats", "1"],
    "tokenizer": ["--megabytes", "1", "--repeats", "1"],
    "trainer": ["--batch-size", "4", "--seq-len", "10", "--hidden-size", "16", "--repeats", "2"],
    "training": [
        *("--steps", "1", "--repeats", "1", "--set", "cell.hidden_size=8"),
        *("--set", "train.batch_size=4", "--set", "train.seq_len=16"),
    ],
    "words": REDUCED,
}
"""Further arguments of each benchmark, so that a test of the documentation does not measure for minutes."""
FENCE = re.compile(r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.M | re.S)
ELSEWHERE = {"cluster.md": ("bash", "yaml", "ini")}
"""Languages of the blocks of a page that a test of its own runs: test_cluster.py."""
SHELL_ONLY = {"source .venv/bin/activate"}
ids = {"argnames": "page", "argvalues": PAGES, "ids": lambda page: str(page.relative_to(ROOT))}


def fences(document: Document) -> Iterator[Region]:
    for found in FENCE.finditer(document.text):
        yield Region(found.start(), found.end(), found, run_block)


def run_block(example: Example) -> None:
    language, title, text = example.parsed.group("language", "title", "text")
    if title:
        Path(title).parent.mkdir(parents=True, exist_ok=True)
        Path(title).write_text(text, "utf-8")
    elif language == "python":
        exec(compile(text, example.path, "exec"), example.namespace)
    elif language == "toml":
        Path("mine.toml").write_text(text, "utf-8")
        seqkit.train(seqkit.Recipe.load("mine.toml").override(REDUCED))
    elif language == "sh":
        for line in text.splitlines():
            run_line(shlex.split(line, comments=True), line, example.namespace)
    else:
        is_run_elsewhere = language in ELSEWHERE.get(Path(example.path).name, ())
        assert language == "text" or is_run_elsewhere, f"no test runs blocks in the language {language!r}"


def run_line(words: list[str], line: str, namespace: dict[str, Any]) -> None:
    if not words or line in SHELL_ONLY:
        return
    if words[0] == "make":
        subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
    elif words[:2] == ["pip", "install"]:
        namespace["environment"].install(*words[2:])
    else:
        assert words[0] in ("seqkit", "pytest"), f"no test runs this command of a block: {line}"
        if words[:2] == ["seqkit", "run"]:
            words += REDUCED
            if words[2] in SERIES and "--seeds" not in words:
                words += ["--seeds", "2"]
        if words[:2] == ["seqkit", "bench"]:
            if words[2] == "engine":
                words = [word for word in words if word not in LONG_TO_COMPILE]
            words += SMALLER.get(words[2], [])
        if words[0] == "seqkit" and not namespace["installs"]:
            done = run_seqkit(*words[1:])
        else:
            done = namespace["environment"].run(*words)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def prices(rows: int) -> str:
    """A price file of one symbol."""
    dates = np.busday_offset("2020-01-01", np.arange(rows), roll="forward")
    closes = 50 * np.exp(0.01 * np.random.default_rng(0).standard_normal(rows).cumsum())
    lines = [
        f"{date},{1.01 * close:.2f},{0.99 * close:.2f},{close:.2f}"
        for date, close in zip(dates, closes, strict=True)
    ]
    return "\n".join(["Date,High,Low,Close", *lines]) + "\n"


SYBIL = Sybil(parsers=[fences])


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("docs") / "env")


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugins of the repository, as a reader has them, but for the one that writes a log of each run."""
    monkeypatch.setenv("SEQKIT_DISABLE_PLUGINS", "seqkit-tensorboard")
    default_registry.cache_clear()
    yield
    default_registry.cache_clear()


@pytest.mark.parametrize(**ids)
def test_every_block_runs(page: Path, workdir: Path, environment: Environment, plugins: None) -> None:
    text = "".join(f"{LINES[i * i % 4]}, said {i % 7}.\n" for i in range(340))
    for name in ("my.txt", "other.txt", "tinyshakespeare.txt", "names.txt"):
        Path(name).write_text(text, "utf-8")
    for name, rows in (("my.csv", 420), ("today.csv", 430)):
        Path(name).write_text(prices(rows), "utf-8")
    document = SYBIL.parse(page)
    document.namespace["environment"] = environment
    document.namespace["installs"] = re.search(r"^pip install ", page.read_text("utf-8"), re.M)
    examples = list(document.examples())
    assert len(examples) == len(re.findall(r"^```", page.read_text("utf-8"), re.M)) // 2, (
        "a block was not read"
    )
    for example in examples:
        example.evaluate()


@pytest.mark.parametrize(**ids)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_generated_page_agrees_with_the_registry() -> None:
    """Runs in a separate process, since this one blocks the plugins of the repository."""
    env = {name: value for name, value in os.environ.items() if name != "SEQKIT_DISABLE_PLUGINS"}
    program = "import sys; sys.path.insert(0, 'docs'); import components; sys.stdout.write(components.page())"
    written = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=env
    ).stdout
    assert written == (ROOT / "docs/reference/components.md").read_text("utf-8"), "run: make docs"


def test_the_demo_is_the_quickstart(workdir: Path) -> None:
    """`make demo`, with a small budget."""
    arguments = f"ARGS=--out {workdir / 'demo'} {' '.join(REDUCED)}"
    done = subprocess.run(["make", "demo", arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "seqkit run quickstart --data my.txt" in done.stdout
    assert seqkit.load(workdir / "demo").generate("The ")
