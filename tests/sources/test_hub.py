import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from seqkit.recipe import Recipe
from seqkit.sources import HubDataset, TextFiles
from seqkit.sources.base import MAX_PIECE_BYTES
from seqkit.testing import SourceCase, run_checks

from .conftest import read, write

pytestmark = pytest.mark.usefixtures("offline")

ROWS = [{"text": "one", "n": 1}, {"text": "zwei\nж 👩‍👩‍👧\n", "n": 2}, {"text": "three", "n": 3}]
TEXTS = ["one\n", "zwei\nж 👩‍👩‍👧\n", "three\n"]


class TestFormats:
    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize(
        "name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz", "saved"]
    )
    def test_a_row_is_a_document_that_ends_a_line(self, name: str, streaming: bool) -> None:
        assert read(write(name, ROWS), streaming=streaming) == {"all": TEXTS}

    @pytest.mark.parametrize("streaming", [False, True])
    def test_a_text_file_is_the_text_that_the_text_source_reads(self, streaming: bool) -> None:
        name = write("a.txt", "\ufeffone\r\n\r\n\n  ж\x0b \u2028 x\rlast\n".encode())
        (joined,) = TextFiles(name).documents()
        documents = read(name, streaming=streaming)["all"]
        assert "".join(documents) == joined == "one\n\n\n  ж\x0b \u2028 x\nlast\n"
        assert documents[:3] == ["one\n", "\n", "\n"]

    def test_a_folder_of_files(self) -> None:
        write("texts/b.jsonl", ROWS[1:])
        write("texts/a.jsonl", ROWS[:1])
        assert read("texts") == {"all": TEXTS}
        assert read("texts", data_files="b.jsonl") == {"all": TEXTS[1:]}

    def test_a_glob_is_sorted(self) -> None:
        for name in "cab":
            write(f"{name}.jsonl", [{"text": name}])
        assert read("*.jsonl") == {"all": ["a\n", "b\n", "c\n"]}

    def test_several_files_are_read_in_their_order(self) -> None:
        paths = [write(f"{name}.jsonl", [{"text": name}]) for name in "cab"]
        assert read(paths) == {"all": ["c\n", "a\n", "b\n"]}
        assert read([Path("b.jsonl"), "[ac].jsonl"]) == {"all": ["b\n", "a\n", "c\n"]}

    @pytest.mark.parametrize("streaming", [False, True])
    def test_a_table_with_another_delimiter_and_encoding(self, streaming: bool) -> None:
        write("a.csv", "id;text\n1;café, “one”\n2;two\n".encode("cp1252"))
        how: dict[str, Any] = {"delimiter": ";", "encoding": "cp1252", "streaming": streaming}
        assert read("a.csv", **how) == {"all": ["café, “one”\n", "two\n"]}
        write("folder/a.csv", Path("a.csv").read_bytes())
        assert read("folder", **how) == {"all": ["café, “one”\n", "two\n"]}
        write("a.jsonl", '{"text": "café"}\n'.encode("latin-1"))
        assert read("a.jsonl", encoding="latin-1", streaming=streaming) == {"all": ["café\n"]}

    @pytest.mark.parametrize("streaming", [False, True])
    def test_the_column_called_text_is_read_without_a_word(self, streaming: bool) -> None:
        write("a.jsonl", [{"title": "t", "text": "one", "n": 1}])
        source = HubDataset("a.jsonl", streaming=streaming)
        assert list(source.documents()) == ["one\n"]
        assert source.column_read == "text"
        assert source.columns == ["title", "text"]
        assert source.row_count == (None if streaming else 1)

    def test_a_loader_with_its_files(self) -> None:
        write("odd.data", '{"text": "x"}\n')
        assert read("json", data_files="odd.data") == {"all": ["x\n"]}
        write("more.jsonl", '{"text": "y"}\n')
        files = {"train": ["odd.data"], "test": "*.jsonl"}
        assert read("json", data_files=files) == {"train": ["x\n"], "test": ["y\n"]}

    def test_a_name_with_brackets_is_that_file(self) -> None:
        write("a1.jsonl", [{"text": "another"}])
        write("a[1].jsonl", [{"text": "this"}])
        assert read("a[1].jsonl") == {"all": ["this\n"]}
        assert read("json", data_files="a[1].jsonl") == {"all": ["this\n"]}
        write("f/a1.jsonl", [{"text": "another"}])
        write("f/a[1].jsonl", [{"text": "this"}])
        assert read("f", data_files=["a[1].jsonl"]) == {"all": ["this\n"]}

    def test_words_that_csv_takes_for_missing_are_text(self) -> None:
        assert read(write("a.csv", "text,n\nNone,1\nNA,\n,3\nnan,4\n")) == {
            "all": ["None\n", "NA\n", "nan\n"]
        }

    def test_long_rows_are_cut(self) -> None:
        text = "ж" * 700_000
        pieces = list(HubDataset(write("a.jsonl", [{"text": text}, {"text": "x"}])).pieces())
        assert [piece.ends_document for piece in pieces] == [False] * (len(pieces) - 2) + [True, True]
        assert max(len(piece.text.encode()) for piece in pieces) <= MAX_PIECE_BYTES
        assert "".join(piece.text for piece in pieces) == text + "\nx\n"

    def test_a_dataset_of_the_hub_that_was_downloaded_before(self, offline: Path) -> None:
        """A local dataset whose folder in the cache is renamed to that of a dataset on the Hub."""
        read(write("name.jsonl", ROWS))
        (prepared,) = (offline / "json").glob("default-*/0.0.0/*/")
        home = offline / "owner___name" / "default" / "0.0.0" / "c0ffee"
        home.parent.mkdir(parents=True)
        prepared.rename(home)
        (home / "json-train.arrow").rename(home / "name-train.arrow")
        info = home / "dataset_info.json"
        info.write_text(info.read_text().replace('"dataset_name": "json"', '"dataset_name": "name"'))
        source = HubDataset("owner/name")
        assert source.splits == ("train",)
        assert list(source.documents("train")) == TEXTS
        before = source.fingerprint
        assert HubDataset("owner/name").fingerprint == before
        home.rename(home.with_name("decade"))
        assert HubDataset("owner/name").fingerprint != before, "another commit is other data"


class TestReading:
    @pytest.mark.parametrize("streaming", [False, True])
    def test_rows_without_text_are_left_out_and_counted(self, streaming: bool) -> None:
        rows = [{"text": "a"}, {"text": None}, {"text": ""}, {"text": " "}]
        source = HubDataset(write("a.jsonl", rows), streaming=streaming)
        assert source.notes == ()
        for _ in range(2):
            assert list(source.documents()) == ["a\n", " \n"]
        assert source.notes == (
            "missing rows: 1 of 4, left out",
            "empty rows: 1 of 4, left out (source.empty=keep reads blank lines)",
        )
        kept = HubDataset("a.jsonl", streaming=streaming, empty="keep")
        assert list(kept.documents()) == ["a\n", "\n", " \n"]
        assert kept.notes[1] == "empty rows: 1 of 4, kept as blank lines (source.empty=drop leaves them out)"

    @pytest.mark.parametrize("streaming", [False, True])
    def test_where_rows_are_lines_an_empty_one_is_a_blank_line(self, streaming: bool) -> None:
        rows = [{"text": line} for line in ("", " = A heading = \n", "", " words \n")]
        source = HubDataset(write("a.jsonl", rows), streaming=streaming)
        assert "".join(source.documents()) == "\n = A heading = \n\n words \n"
        assert "".join(HubDataset("a.jsonl", empty="drop").documents()) == " = A heading = \n words \n"
        write("a.txt", "a\n\nb\n")
        assert read("a.txt", empty="drop", streaming=streaming) == {"all": ["a\n", "b\n"]}

    @pytest.mark.ci
    def test_a_stream_is_read_no_further_than_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from datasets.packaged_modules.json.json import Json

        write("a.jsonl", [{"text": "x" * 1000}] * 60_000)  # six chunks of ten megabytes
        read_chunks = []
        original = Json._generate_tables

        def counting(self: Json, *args: Any, **options: Any) -> Any:
            for item in original(self, *args, **options):
                read_chunks.append(item)
                yield item

        monkeypatch.setattr(Json, "_generate_tables", counting)
        pieces = HubDataset("a.jsonl", streaming=True).pieces()
        assert next(pieces).text == "x" * 1000 + "\n"
        assert len(read_chunks) <= 3
        pieces.close()  # type: ignore[attr-defined]

    def test_a_stream_makes_no_copy(self, offline: Path) -> None:
        read(write("a.jsonl", ROWS), streaming=True)
        assert not list(offline.rglob("*.arrow"))
        read("a.jsonl")
        assert list(offline.rglob("*.arrow"))

    def test_a_file_that_changed_is_read_again(self) -> None:
        before = HubDataset(write("a.jsonl", ROWS))
        assert list(before.documents()) == TEXTS
        fingerprint = before.fingerprint
        after = HubDataset(write("a.jsonl", [{"text": "new", "n": 1}]))
        assert list(after.documents()) == ["new\n"]
        assert after.fingerprint != fingerprint

    def test_the_fingerprint_is_of_the_bytes_and_the_options(self) -> None:
        rows = [{"text": "a", "more": "b"}, {"text": "c", "more": "d"}]
        first = HubDataset(write("a.jsonl", rows), column="text").fingerprint
        assert HubDataset(write("b.jsonl", rows), column="text").fingerprint == first
        assert HubDataset("a.jsonl", column="text", streaming=True).fingerprint == first
        assert HubDataset("a.jsonl", column="more").fingerprint != first
        assert HubDataset("a.jsonl", column="text", split={"all": "train[:1]"}).fingerprint != first
        write("saved", rows)
        saved = HubDataset("saved", column="text").fingerprint
        write("saved2", rows[:1])
        assert HubDataset("saved2", column="text").fingerprint != saved

    def test_standard_output_stays_clean(
        self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import datasets
        from datasets.packaged_modules.json.json import Json

        original = Json._info
        monkeypatch.setattr(Json, "_info", lambda self: print("noise") or original(self))
        assert not sys.stderr.isatty()
        handlers = logging.getLogger("datasets").handlers[:]
        read(write("a.jsonl", ROWS))
        out, err = capfd.readouterr()
        assert out == ""
        assert set(err.split()) == {"noise"}, "progress bars are for terminals"
        assert logging.getLogger("datasets").handlers == handlers
        assert not datasets.are_progress_bars_disabled()

    def test_local_files_are_not_counted_as_downloads(self, no_network: None) -> None:
        assert read(write("a.jsonl", ROWS)) == {"all": TEXTS}
        write("d/train.jsonl", ROWS)
        assert read("d") == {"train": TEXTS}


class TestRecipe:
    """Paths are relative to the recipe's file; names on the Hub are left as they are."""

    def options(self, source: str, *overrides: str) -> dict[str, Any]:
        text = f'[source]\nuse = "hf"\n{source}\n[cell]\nuse = "rnn"\n'
        return Recipe.load(write("r/a.toml", text)).override(overrides).resolve().source.options()

    def test_paths(self, workdir: Path) -> None:
        Path("r/mine").mkdir(parents=True)
        Path("owner/here").mkdir(parents=True)  # only relative to the working directory
        for given, expected in {
            "owner/name": "owner/name",
            "owner/here": "owner/here",
            "owner/name-v1.2": "owner/name-v1.2",
            "hf://datasets/owner/name": "hf://datasets/owner/name",
            "imdb": "imdb",
            "json": "json",
            "mine": str(workdir / "r/mine"),
            "./owner/name": str(workdir / "r/owner/name"),
            "a.jsonl": str(workdir / "r/a.jsonl"),
            "data/*.parquet": str(workdir / "r/data/*.parquet"),
            "/abs/a.csv": "/abs/a.csv",
        }.items():
            assert self.options(f'path = "{given}"')["path"] == expected
        assert self.options('path = "x/y"', "source.path=owner/here")["path"] == str(workdir / "owner/here")

    def test_files_are_relative_to_the_dataset_or_for_a_loader_to_the_recipe(self, workdir: Path) -> None:
        Path("r/mine").mkdir(parents=True)
        for path in ("owner/name", "mine"):
            assert self.options(f'path = "{path}"\ndata_files = ["a.jsonl"]')["data_files"] == ["a.jsonl"]
        files = '{train = "a.jsonl", test = ["https://example.org/b.jsonl", "../c.jsonl"]}'
        assert self.options(f'path = "json"\ndata_files = {files}')["data_files"] == {
            "train": str(workdir / "r/a.jsonl"),
            "test": ["https://example.org/b.jsonl", str(workdir / "r/../c.jsonl")],
        }

    def test_saved_and_loaded_a_name_stays_a_name(self) -> None:
        recipe = Recipe(source={"use": "hf", "path": "owner/name"}, cell={"use": "rnn"})
        recipe.save("out.toml")
        assert Recipe.load("./out.toml").resolve().source.options()["path"] == "owner/name"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", ["file", "folder", "saved"])
def test_it_keeps_the_contract_of_a_source(kind: str, streaming: bool) -> None:
    rows = [{"text": f"{i} ж 👩‍👩‍👧 " * (i % 5 + 1)} for i in range(50)] + [{"text": "long " * 300_000}]
    path = {"file": "a.jsonl", "folder": "d", "saved": "saved"}[kind]
    write("d/train.jsonl" if kind == "folder" else path, rows)
    if kind == "folder":
        write("d/test.jsonl", [{"text": "of the test"}])
    files = {"file": "a.jsonl", "folder": "d/train.jsonl", "saved": "saved"}
    case = SourceCase(
        "hf",
        path=path,
        streaming=streaming,
        missing={"path": "nowhere.jsonl"},
        change=lambda: write(files[kind], [{"text": "other"}]),
    )
    report = run_checks(case)
    assert report.summary == "13 of 13 checks ran, 13 passed", report
