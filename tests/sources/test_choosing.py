from pathlib import Path
from typing import Any

import pytest

from seqkit.errors import SourceError
from seqkit.sources import HubDataset, Strings, TextFiles
from seqkit.sources.choosing import Whole, choose_source, describe_source

from .conftest import write

pytestmark = pytest.mark.usefixtures("offline")

ROWS = [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}]


@pytest.fixture(autouse=True)
def files(workdir: Path) -> None:
    for name in ("a.txt", "b.log", "texts/a.md", "texts/notes.csv"):
        write(name, "text\n")
    for name in ("a.jsonl", "B.JSONL", "a.csv", "a.parquet", "saved", "tables/a.jsonl", "a.jsonl.gz"):
        write(name, [] if name == "B.JSONL" else ROWS) if name != "B.JSONL" else write(name, "{}\n")


@pytest.mark.parametrize(
    ("given", "use"),
    [
        ("a.txt", "text"),
        ("b.log", "text"),
        ("*.txt", "text"),
        ("texts", "text"),
        ("nowhere", "text"),
        (["a.txt", "texts"], "text"),
        ("a.jsonl", "hf"),
        ("B.JSONL", "hf"),
        ("a.jsonl.gz", "hf"),
        ("a.csv", "hf"),
        (Path("a.parquet"), "hf"),
        ("*.jsonl", "hf"),
        ("tables", "hf"),
        ("saved", "hf"),
        (["a.jsonl", "tables/a.jsonl"], "hf"),
    ],
    ids=str,
)
def test_the_source_is_chosen_by_what_the_file_is(given: Any, use: str) -> None:
    path = [str(one) for one in given] if isinstance(given, list) else str(given)
    assert choose_source(given) == {"use": use, "path": path}
    assert choose_source([given] if isinstance(given, str) else given)["use"] == use


def test_one_a_split() -> None:
    texts = {"train": ["a.txt", "b.log"], "test": "texts"}
    assert choose_source(texts) == {"use": "text", "path": texts}
    tables = {"train": "a.jsonl", "test": ["a.jsonl.gz"]}
    assert choose_source(tables) == {"use": "hf", "path": "json", "data_files": tables}
    with pytest.raises(SourceError, match="the splits of a table must be files of one format"):
        choose_source({"train": "a.jsonl", "test": "a.csv"})


def test_kinds_are_not_mixed() -> None:
    with pytest.raises(SourceError, match=r"^a.jsonl is a table of texts, and a.txt is a text."):
        choose_source(["a.jsonl", "a.txt"])
    with pytest.raises(SourceError, match="saved is a saved dataset: give it on its own"):
        choose_source(["saved", "saved"])


def test_which_source_it_is() -> None:
    assert describe_source(HubDataset("a.jsonl")) == "source hf, column 'text', 2 rows"
    assert describe_source(HubDataset("a.jsonl", streaming=True)) == "source hf, column 'text'"
    assert describe_source(TextFiles("a.txt")) == "source text"
    assert describe_source(TextFiles(["a.txt", "b.log"])) == "source text, 2 files"
    assert describe_source(Strings(["a"])) == "source Strings"


def test_the_splits_of_a_source_as_one() -> None:
    whole = Whole(Strings({"test": ["c"], "train": ["a", "b"]}))
    assert whole.splits == ("all",)
    assert list(whole.documents()) == ["a\n", "b\n", "c\n"]
    assert whole.fingerprint != whole.source.fingerprint
    assert describe_source(whole) == "source Strings"
