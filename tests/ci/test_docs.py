"""Every code block of the documentation runs: Python as it stands, recipes as files, commands as commands.

Commands that train run with a few steps only; what a command prints is not held against the page.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

import seqkit
from tests.conftest import LINES

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
REDUCED = ["train.steps=12", "train.evaluate_every=6"]
SHELL_ONLY = {"source .venv/bin/activate"}


def run_shell(example: Example) -> None:
    for line in str(example.parsed).splitlines():
        words = shlex.split(line, comments=True)
        if not words or line in SHELL_ONLY:
            continue
        if words[0] == "make":
            subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
            continue
        assert words[0] == "seqkit", f"a block tells to type what no test runs: {line}"
        if words[1] == "run":
            words += REDUCED
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def run_recipe(example: Example) -> None:
    Path("mine.toml").write_text(str(example.parsed), "utf-8")
    seqkit.train(seqkit.Recipe.load("mine.toml").override(REDUCED))


def do_not_run(example: Example) -> None:
    """What a program printed."""


SYBIL = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("sh", run_shell),
        CodeBlockParser("toml", run_recipe),
        CodeBlockParser("text", do_not_run),
    ]
)


def parse(page: Path) -> Document:
    return SYBIL.parse(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page: Path, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = parse(page)
    lines = "".join(f"{LINES[i * i % 4]}, said {i % 7}.\n" for i in range(340))
    Path("my.txt").write_text(lines, "utf-8")
    shakespeare = workdir / "tinyshakespeare.txt"
    shakespeare.write_text(lines, "utf-8")
    examples = list(document.examples())
    assert len(examples) == page.read_text("utf-8").count("\n```") // 2, (
        "a block in a language that no test runs"
    )
    for example in examples:
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    import re

    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_demo_is_the_quickstart() -> None:
    """`make demo`, with a small budget."""
    out = Path("demo")
    arguments = f"ARGS=--out {out.absolute()} {' '.join(REDUCED)}"
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["make", "demo", arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert "seqkit run quickstart --data my.txt" in done.stdout
    assert seqkit.load(out).generate("The ")
    shutil.rmtree(out)
