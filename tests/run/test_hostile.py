"""A run directory of somebody else's making: a message that names the file, and nothing else happens."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import seqkit
from seqkit.errors import SeqkitError
from tests.conftest import sign_again
from tests.inprocess import command

CANARY = Path("canary")


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {CANARY}",)


def replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        file = run / name
        file.unlink()
        make(file)

    return change


def deep(opening: str, closing: str) -> str:
    return opening * 100_000 + closing * 100_000


FILES = ["recipe.toml", "provenance.json", "tokenizer.json", "metrics.jsonl"]
CHECKPOINT = "checkpoints/step-00000030"
HOSTILE: dict[str, Callable[[Path], object]] = {
    **{f"{name} is a pipe": replaced(name, os.mkfifo) for name in FILES},
    **{f"{name} is a device": replaced(name, lambda file: file.symlink_to("/dev/zero")) for name in FILES},
    **{f"{name} is a link": replaced(name, lambda file: file.symlink_to("/etc/passwd")) for name in FILES},
    **{f"{name} is a folder": replaced(name, lambda file: file.mkdir()) for name in FILES},
    **{
        f"{name} is a pickle": replaced(name, lambda file: file.write_bytes(pickle.dumps(Payload())))
        for name in [*FILES, f"{CHECKPOINT}/model.safetensors", f"{CHECKPOINT}/MANIFEST.json"]
    },
    **{
        f"{name} is {said}": replaced(name, lambda file, text=text: file.write_text(text))  # type: ignore[misc]
        for name in ["provenance.json", "tokenizer.json", "metrics.jsonl", f"{CHECKPOINT}/MANIFEST.json"]
        for said, text in {
            "deep": deep("[", "]") + "\n",
            "a list": "[1, 2]\n",
            "a number": "3\n",
            "null": "null\n",
            "empty": "",
            "not text": "\udcff".encode("utf-8", "surrogatepass").decode("latin-1") + "\n",
            "an object": '{"step": "x", "components": {"cell": 3}, "characters": {}}\n',
        }.items()
    },
    "recipe.toml is deep": replaced("recipe.toml", lambda file: file.write_text("a = " + deep("[", "]"))),
    "recipe.toml is empty": replaced("recipe.toml", lambda file: file.write_text("")),
    "a million layers": lambda run: (run / "recipe.toml").write_text(
        (run / "recipe.toml").read_text().replace("layers = 1", "layers = 1000000")
    ),
    "a huge file": lambda run: os.truncate(run / "tokenizer.json", 2**33),  # sparse
    "a huge header": replaced(
        f"{CHECKPOINT}/model.safetensors",
        lambda file: file.write_bytes((2**60).to_bytes(8, "little") + b"{}"),
    ),
    "a name outside": lambda run: (run / CHECKPOINT / "MANIFEST.json").write_text(
        json.dumps(
            {"format": 1, "step": 30, "files": {"../../../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}}
        )
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        name if place % 6 == 0 else pytest.param(name, marks=pytest.mark.ci)
        for place, name in enumerate(HOSTILE)
    ],
)
def test_a_hostile_directory_is_a_message(tiny_run: str, name: str) -> None:
    run = Path(tiny_run)
    HOSTILE[name](run)
    for place in run.glob("checkpoints/step-*"):  # whoever made it can make checksums too
        with suppress(SeqkitError, OSError):
            sign_again(place)
    opened = None
    with suppress(SeqkitError):
        opened = seqkit.load(run)
    if opened is not None:
        with suppress(SeqkitError):
            _ = opened.metrics
            assert opened.generate("a", max_tokens=2)
    for verb in (("verify", tiny_run), ("show", tiny_run), ("resume", tiny_run)):
        done = command(*verb)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 2)
    assert not CANARY.exists()


def test_a_run_directory_that_is_a_link_is_opened(tiny_run: str) -> None:
    shutil.move(tiny_run, "elsewhere")
    Path("link").symlink_to("elsewhere")
    assert seqkit.load("link").generate("a", max_tokens=2)
