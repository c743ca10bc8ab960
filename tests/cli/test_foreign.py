r"""Text that seqkit did not write: a terminal gets the escape "\x1b", a pipe the character itself."""

from __future__ import annotations

import json
import logging
import os
import pty
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqkit
from seqkit.cli.foreign import CONTROLS, ForeignFormatter, shown, warn_of_lost
from seqkit.run.claim import claim
from tests.forked import start_seqkit

ATTACK = "a\x1b[2J\x07\x9bm\x7f\rb\n\tc é ☃"
SHOWN = "a\\x1b[2J\\x07\\x9bm\\x7f\\x0db\n\tc é ☃"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)


def test_a_terminal_gets_no_control_characters(terminal: None) -> None:
    assert shown(ATTACK) == shown(ATTACK, err=True) == SHOWN
    record = logging.LogRecord("seqkit", logging.INFO, "", 0, "read %s", (ATTACK,), None)
    assert ForeignFormatter("%(message)s").format(record) == f"read {SHOWN}"


def test_a_pipe_gets_the_text_unchanged() -> None:
    assert shown(ATTACK) == ATTACK


@given(st.text())
def test_nothing_else_is_changed(text: str) -> None:
    escaped = text.translate(CONTROLS)
    assert not any(ord(character) in CONTROLS for character in escaped)
    kept = "".join(character for character in text if ord(character) not in CONTROLS)
    if kept == text:
        assert escaped == text


def test_characters_that_an_encoding_lacks_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_lost("café", "iso-8859-15")
    warn_of_lost("☃", "utf-8")
    assert not caplog.messages
    warn_of_lost("☃", "iso-8859-15")
    assert (
        'the output is written in iso-8859-15, which lacks some characters: each of them becomes "?".'
        in caplog.text
    )
    assert "generate --out FILE" in caplog.text


def on_a_terminal(*arguments: str) -> tuple[bytes, bytes]:
    """The output of the real program to a terminal, and that of the same command to a pipe."""
    piped = Path("piped")
    piped.unlink(missing_ok=True)
    start_seqkit(arguments, piped, piped).join()
    master, slave = pty.openpty()
    terminal = Path(os.ttyname(slave))
    written = b""

    def read() -> None:
        nonlocal written
        with suppress(OSError):  # Linux ends the stream of a terminal with it
            while part := os.read(master, 1 << 16):
                written += part

    reader = threading.Thread(target=read)
    reader.start()
    start_seqkit(arguments, terminal, terminal, TERM="dumb").join()
    os.close(slave)
    reader.join()
    os.close(master)
    return written.replace(b"\r\n", b"\n"), piped.read_bytes()


@pytest.fixture
def wild_run(workdir: Path) -> str:
    """A run whose text has control characters."""
    Path("wild.txt").write_text(f"{ATTACK}\n" * 400, "utf-8", newline="")
    recipe = seqkit.Recipe(
        source={"use": "text", "path": "wild.txt", "newlines": "keep"},
        cell={"use": "rnn", "hidden_size": 8},
        train={"batch_size": 8, "seq_len": 20, "steps": 60, "learning_rate": 0.02, "state": "carry"},
        sample={"max_tokens": 200},
    )
    return str(seqkit.train(recipe, "wild").path)


@pytest.mark.ci
def test_the_real_program(wild_run: str) -> None:
    written, piped = on_a_terminal("generate", wild_run)
    text = seqkit.load(wild_run).generate()
    assert "\x1b" in text
    assert text.encode() in piped
    assert b"\x1b" not in written
    assert b"\\x1b" in written
    written, piped = on_a_terminal("score", wild_run, "wild.txt", "--tokens")
    assert b"\x9b" not in written.replace("é".encode(), b"")
    first = piped.splitlines()[1]  # below the line that says which source reads the file
    assert json.loads(first.partition(b"\t")[0]) == "a"
    written, piped = on_a_terminal("run", "quickstart", "train.\x1b[2Jx=3")
    assert b"\x1b" not in written
    assert b"train.\\x1b[2Jx: unknown key" in written
    assert b"train.\x1b[2Jx: unknown key" in piped
    written, _ = on_a_terminal("run", "quickstart", "--\x1b[2J")
    assert b"No such option '--\\x1b[2J'" in written


ESCAPE = "\x1b[2J"


def changed(file: str, *keys: str, to: Any) -> None:
    values = inner = json.loads(Path(file).read_text("utf-8"))
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    Path(file).write_text(json.dumps(values), "utf-8")


HELD: list[Any] = []


def held_by_a_stranger(run: str) -> None:
    HELD.append(claim(run, "x", resume=True))
    HELD[-1].__enter__()
    changed(f"{run}/.claim.json", "host", to=ESCAPE)


PLACES: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "the name of a recipe": (
        lambda run: changed(f"{run}/provenance.json", "recipe", to=ESCAPE),
        ("ls", "--runs", "."),
    ),
    "how it ended": (lambda run: changed(f"{run}/ended.json", "ended_by", to=ESCAPE), ("ls", "--runs", ".")),
    "a version": (
        lambda run: changed(f"{run}/provenance.json", "versions", "torch", to=ESCAPE),
        ("show", "out"),
    ),
    "a plugin": (
        lambda run: changed(f"{run}/provenance.json", "components", "cell", "distribution", to=ESCAPE),
        ("generate", "out"),
    ),
    "a component": (
        lambda run: changed(f"{run}/provenance.json", "components", "cell", "use", to=ESCAPE),
        ("generate", "out"),
    ),
    "a key of the recipe": (
        lambda run: Path(run, "recipe.toml").write_text('"\\u001b[2J" = 3\n', "utf-8"),
        ("resume", "out"),
    ),
    "a vocabulary": (lambda run: changed(f"{run}/tokenizer.json", "errors", to=ESCAPE), ("generate", "out")),
    "the holder of a claim": (held_by_a_stranger, ("resume", "out")),
    "another beginning": (
        lambda run: changed(f"{run}/provenance.json", "from", to={"path": ESCAPE, "sha256": "x"}),
        ("run", "./out", "--out", "out", "--resume", "--from", "out"),
    ),
    "a directory": (lambda run: Path(run).rename(ESCAPE), ("verify", ESCAPE)),
    "a missing file": (lambda run: None, ("evaluate", "out", f"{ESCAPE}.txt")),
}


@pytest.mark.ci
@pytest.mark.parametrize("place", PLACES)
def test_no_place_in_a_run_reaches_the_terminal(tiny_run: str, place: str) -> None:
    change, line = PLACES[place]
    change(tiny_run)
    written, _ = on_a_terminal(*line)
    assert b"\x1b" not in written, written
    assert b"Traceback" not in written
    assert written
