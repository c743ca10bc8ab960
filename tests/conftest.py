"""Every test has its own working directory and cache, and leaves no files behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import seqkit
from seqkit.registry.registry import FIRST_PARTY

# The plugins of this repository are installed next to seqkit, and have tests of their own. Set here, as the
# registry is made once per process, and parametrised tests use it while they are collected.
os.environ["SEQKIT_DISABLE_PLUGINS"] = ",".join(FIRST_PARTY)

# A busy machine must not fail a test; in CI the same examples are drawn every time.
settings.register_profile("seqkit", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("seqkit")

LINES = [
    "the cat sat on the mat and looked at the moon",
    "a dog ran over the hill to the river and back",
    "where the wind goes no one knows but the trees",
    "one two three four five six seven eight nine ten",
]


@pytest.fixture
def compiled_steps(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Tests that compile find what others have compiled: their caches are apart, and those files linked."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "loops"
    own = tmp_path / "cache" / "loops"
    if request.node.get_closest_marker("ci") is None and "ci" not in request.path.parts:
        yield
        return
    for one, other in ((shared, own), (own, shared)):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
        other.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in one.glob("?" * 64):
            with suppress(OSError):  # it is there already, or another test has removed it
                os.link(file, other / file.name)
        if one is shared:
            yield


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_steps: None) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEQKIT_CACHE", str(tmp_path / "cache"))
    # Read when `datasets` is first imported: its cache is not the user's, and it does not query the Hub.
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    # Spinning threads slow a busy machine down, and these models are too small to need two.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return folder


@pytest.fixture
def text_file(workdir: Path) -> Path:
    """About 19,000 characters that a small model learns quickly."""
    path = workdir / "my.txt"
    path.write_text("".join(f"{LINES[i * i % 4]}, said {i % 7}.\n" for i in range(340)), "utf-8")
    return path


@pytest.fixture
def tiny_recipe(text_file: Path) -> seqkit.Recipe:
    """Trains in well under a second."""
    return seqkit.Recipe(
        name="tiny",
        source={"use": "text", "path": str(text_file)},
        cell={"use": "rnn", "hidden_size": 16},
        train={
            "batch_size": 8,
            "seq_len": 20,
            "steps": 30,
            "evaluate_every": 10,
            "log_every": 10,
            "state": "carry",
        },
        sample={"max_tokens": 40},
    )


def sign_again(place: Path) -> None:
    """Make a checkpoint belong to the files of its run as they are."""
    from seqkit.run import rundir
    from seqkit.training import manifest

    run = place.parents[1]
    values = manifest.read_manifest(place).model_dump(exclude={"is_legacy"})
    values["run"] = {name: rundir.digest(run / name) for name in values["run"]}
    (place / "MANIFEST.json").write_bytes(manifest.manifest_bytes(manifest.Manifest(**values)))


@pytest.fixture(scope="session")
def _trained() -> dict[str, Path]:
    """What each shared training has left: its working directory, and the cache."""
    return {}


@pytest.fixture
def shared(
    workdir: Path, _trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Callable[[], object]], None]:
    """Train once in each process; every test that needs the run gets a copy, with its own paths in it."""

    folder = workdir.parent  # with the cache

    def train(name: str, training: Callable[[], object]) -> None:
        if name not in _trained:
            training()
            _trained[name] = tmp_path_factory.mktemp("shared") / "copy"
            shutil.copytree(folder, _trained[name])
            (_trained[name] / "was").write_text(str(folder), "utf-8")
            return
        shutil.copytree(_trained[name], folder, dirs_exist_ok=True)
        was = (folder / "was").read_text("utf-8")
        for file in (*folder.rglob("*.toml"), *folder.rglob("*.json")):
            file.write_text(file.read_text("utf-8").replace(was, str(folder)), "utf-8")
        for place in folder.rglob("checkpoints/step-*"):  # they name the digests of these files
            sign_again(place)

    return train


@pytest.fixture
def tiny_run(tiny_recipe: seqkit.Recipe, shared: Callable[[str, Callable[[], object]], None]) -> str:
    """A run directory of the tiny recipe, for tests that read one."""
    shared("tiny", lambda: seqkit.train(tiny_recipe, "out"))
    return "out"
