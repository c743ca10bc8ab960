"""A run directory of somebody else's making: a message that names the file, and nothing else happens."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import seqkit
from seqkit.errors import SeqkitError
from seqkit.training import manifest
from tests.conftest import sign_again
from tests.inprocess import command

CANARY, VICTIM = Path("canary"), Path("victim")


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
    **{
        f"metrics.jsonl has the row {row}": replaced(
            "metrics.jsonl", lambda file, row=row: file.write_text(row + "\n")
        )  # type: ignore[misc]
        for row in (
            '{"step": "x", "loss": 1}',
            '{"step": [1], "loss": 1}',
            '{"step": 3, "split": "validation"}',
            '{"step": 3, "split": "validation", "loss": null}',
            '{"step": 3, "split": "validation", "loss": 1' + 400 * "0" + "}",
            "x" * 2**20,
        )
    },
    **{
        f"{name} is in its place: {kind}": lambda run, name=name, make=make: make(run / name)  # type: ignore[misc]
        for name in (".claim.json.partial", "ended.json.partial", "loss.png.partial", "resumed.json.partial")
        for kind, make in {
            "link": lambda file: file.symlink_to(VICTIM.absolute()),
            "pipe": os.mkfifo,
            "folder": lambda file: file.mkdir(),
        }.items()
    },
    "ended.json is a folder": replaced("ended.json", lambda file: file.mkdir()),
    "loss.png is a link": replaced("loss.png", lambda file: file.symlink_to(VICTIM.absolute())),
    "loss.png is a folder": replaced("loss.png", lambda file: file.mkdir()),
    "the checkpoints are a link": lambda run: (
        (run / "checkpoints").rename("elsewhere").joinpath("x.partial").mkdir()
        or (run / "checkpoints").symlink_to(Path("elsewhere").absolute())
    ),
    "a checkpoint is a link": lambda run: (
        (run / CHECKPOINT).rename("elsewhere") and (run / CHECKPOINT).symlink_to(Path("elsewhere").absolute())
    ),
    "a component of no kind": lambda run: changed(
        run / "provenance.json", lambda values: values["components"].update(zzz=values["components"]["cell"])
    ),
    **{
        f"provenance.json has no {key}": lambda run, key=key: changed(  # type: ignore[misc]
            run / "provenance.json", lambda values: values.update({key: 3})
        )
        for key in ("data", "versions", "from")
    },
    "resumed.json makes another model": lambda run: (run / "resumed.json").write_text(
        '{"overrides": ["cell.hidden_size=50"]}'
    ),
    "a name outside": lambda run: (run / CHECKPOINT / "MANIFEST.json").write_text(
        json.dumps(
            {"format": 1, "step": 30, "files": {"../../../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}}
        )
    ),
}


def changed(file: Path, change: Callable[[Any], object]) -> None:
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "name",
    [
        name if place % 6 == 0 else pytest.param(name, marks=pytest.mark.ci)
        for place, name in enumerate(HOSTILE)
    ],
)
def test_a_hostile_directory_is_a_message(tiny_run: str, name: str) -> None:
    run = Path(tiny_run)
    VICTIM.write_text("not of the run")
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
    for verb in (
        ("verify", tiny_run),
        ("show", tiny_run),
        ("ls", "--runs", "."),
        ("resume", tiny_run, "train.steps=31"),
    ):
        done = command(*verb)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 2)
    assert not CANARY.exists()
    assert VICTIM.read_text() == "not of the run"
    assert Path("elsewhere/x.partial").exists() == (name == "the checkpoints are a link")


def test_a_run_directory_that_is_a_link_is_opened(tiny_run: str) -> None:
    shutil.move(tiny_run, "elsewhere")
    Path("link").symlink_to("elsewhere")
    assert seqkit.load("link").generate("a", max_tokens=2)


def set_at(*keys: Any, to: Any) -> Callable[[Any], object]:
    def change(values: Any) -> None:
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = to

    return change


VALUES: dict[str, Callable[[Any], object]] = {
    f"{'.'.join(map(str, keys))} = {str(value)[:20]}": set_at(*keys, to=value)
    for keys, odd in (
        (("epoch",), (None, -7, 1e308, [], 10**30)),
        (("batch",), (None, -3, 10**18)),
        (("waited",), ("x", None)),
        (("meter",), (None, 3, {})),
        (("meter", "spent_s"), ("x", 10**400, float("nan"))),
        (("epoch_began",), (3, {"steps": "x"})),
        (("best",), ({}, 3)),
        (("best", "loss"), ("x", float("nan"))),
        (("evaluations",), (None, [{}])),
        (("epochs",), (None, [1])),
        (("optimizer",), ([], {"no such weight": {"step": 1}})),
        (("callbacks",), (None, [1])),
        (("callbacks", 0, 1, "bytes"), ("x", -1)),
        (("callbacks", 0, 1, "waiting"), (3,)),
        (("callbacks", 0, 1, "reading"), (None,)),
        (("callbacks", 0, 1), ({},)),
    )
    for value in odd
}
TENSORS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "no carried state": lambda tensors: tensors.pop("carried.0"),
    "a carried state of other rows": lambda tensors: tensors.update({"carried.0": tensors["carried.0"][:3]}),
    "no losses": lambda tensors: tensors.pop("losses"),
    "losses in a table": lambda tensors: tensors.update(losses=tensors["losses"].view(2, -1)),
    "too many losses": lambda tensors: tensors.update(losses=tensors["losses"].repeat(3)),
    "a short moment": lambda tensors: tensors.update({MOMENT: torch.zeros(1)}),
    "a moment of integers": lambda tensors: tensors.update({MOMENT: tensors[MOMENT].int()}),
    "no moment": lambda tensors: tensors.pop(MOMENT),
    "a step for each": lambda tensors: tensors.update({MOMENT.replace("exp_avg", "step"): torch.ones(7)}),
    "a value of no weight": lambda tensors: tensors.update({"optimizer.x.y": torch.ones(1)}),
}
MOMENT = "optimizer.cell.h2h.weight.exp_avg"


def replace_in_checkpoint(name: str, write: Callable[[Path], object]) -> None:
    """Change a file of the newest checkpoint, and make its checksums right again."""
    place = Path("out", CHECKPOINT)
    values = manifest.read_manifest(place)
    write(place / name)
    data = (place / name).read_bytes()
    values.files[name] = manifest.FileRecord(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    kept = manifest.Manifest(**values.model_dump(exclude={"is_legacy"}))
    (place / manifest.MANIFEST).write_bytes(manifest.manifest_bytes(kept))


def is_refused() -> None:
    done = command("resume", "out", "train.steps=31")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.ci
@pytest.mark.parametrize("name", VALUES)
def test_hostile_values_of_a_snapshot(tiny_run: str, name: str) -> None:
    def write(file: Path) -> None:
        changed(file, VALUES[name])

    replace_in_checkpoint(manifest.VALUES, write)
    is_refused()


@pytest.mark.ci
@pytest.mark.parametrize("name", TENSORS)
def test_hostile_tensors_of_a_snapshot(tiny_run: str, name: str) -> None:
    def write(file: Path) -> None:
        tensors = {name: value.clone() for name, value in load_file(file).items()}
        TENSORS[name](tensors)
        save_file(tensors, file)

    replace_in_checkpoint(manifest.TENSORS, write)
    is_refused()


@pytest.mark.ci
@pytest.mark.parametrize("change", ["missing", "other shape", "integers"])
def test_hostile_weights_of_a_snapshot(tiny_run: str, change: str) -> None:
    def write(file: Path) -> None:
        tensors = {name: value.clone() for name, value in load_file(file).items()}
        name = next(iter(tensors))
        if change == "missing":
            del tensors[name]
        else:
            tensors[name] = (
                tensors[name][:1].clone() if change == "other shape" else tensors[name].to(torch.int8)
            )
        save_file(tensors, file)

    replace_in_checkpoint(manifest.WEIGHTS, write)
    is_refused()
