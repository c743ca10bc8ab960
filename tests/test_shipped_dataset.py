"""The dataset of the recipe hf-text, and the script that writes it."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

import seqkit
from seqkit.registry.builtin import RECIPES, seqkit_recipes
from seqkit.sources import HubDataset

FOLDER = RECIPES / "data" / "seqkit-docs"
SPLITS = ("train", "validation")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dataset", Path(__file__).parents[1] / "docs/dataset.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(split: str) -> list[str]:
    return [json.loads(line)["text"] for line in (FOLDER / f"{split}.jsonl").read_text("utf-8").splitlines()]


def test_it_is_small_and_each_row_is_in_the_split_of_its_hash(script: ModuleType) -> None:
    assert 60_000 <= sum((FOLDER / f"{split}.jsonl").stat().st_size for split in SPLITS) <= 200_000
    assert len({text for split in SPLITS for text in texts(split)}) == sum(len(texts(s)) for s in SPLITS)
    for split in SPLITS:
        assert {script.split_of(text) for text in texts(split)} == {split}


@pytest.mark.ci
def test_the_script_writes_the_same_twice(script: ModuleType) -> None:
    for name in ("one", "two"):
        script.write(Path(name))
    for split in SPLITS:
        assert Path(f"one/{split}.jsonl").read_bytes() == Path(f"two/{split}.jsonl").read_bytes()


def test_it_takes_prose_and_no_code(script: ModuleType) -> None:
    long = "A paragraph of the page that is long enough to be kept."
    Path("docs").mkdir()
    Path("README.md").write_text(
        f"# A heading that is long enough, but a heading\n\n{long}\n\n{long}\n", "utf-8"
    )
    Path("docs/a.md").write_text(
        "```python\nprint('a block of code that is long enough to be kept')\n```\n\nSee [the other]"
        "(b.md), in a paragraph that is long enough.\n\n| a table | that is long enough to be kept |\n",
        "utf-8",
    )
    Path("seqkit").mkdir()
    Path("seqkit/a.py").write_text(
        f'"""{long[:-1]}, of a module."""\nCODE = "a string that is not a docstring"\n'
    )
    assert script.paragraphs(Path.cwd()) == [
        long,
        "See the other, in a paragraph that is long enough.",
        f"{long[:-1]}, of a module.",
    ]


def test_the_recipe_reads_it_without_a_network() -> None:
    options = seqkit.Recipe.load("hf-text").resolve().source.options()
    assert options["path"] == str(FOLDER)
    source = HubDataset(**options)
    assert source.splits == SPLITS
    for split in SPLITS:
        assert list(source.documents(split)) == [text + "\n" for text in texts(split)]


def test_data_is_not_a_recipe() -> None:
    assert {recipe.path.suffix for recipe in seqkit_recipes()} == {".toml"}
    assert "hf-text" in {recipe.name for recipe in seqkit_recipes()}
