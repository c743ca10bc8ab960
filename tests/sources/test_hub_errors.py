"""Each mistake has a message with a remedy."""

import errno
import gc
import logging
from pathlib import Path
from typing import Any

import pytest

from seqkit.errors import SourceError
from seqkit.sources import HubDataset

from .conftest import write

pytestmark = pytest.mark.usefixtures("offline")

# A CSV stream that ends early leaves its file to the garbage collector: collect it here, not in another test.
leaves_a_file_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ROWS = [{"question": "q", "answer": "a", "label": 1}]


def message(*args: Any, **options: Any) -> str:
    def read_all() -> None:
        source = HubDataset(*args, **options)
        for split in source.splits:
            list(source.pieces(split))

    with pytest.raises(SourceError) as caught:
        read_all()
    said = str(caught.value)
    if options.get("streaming"):
        del caught
        gc.collect()
    assert len(said.splitlines()) <= 3, "a message is short"
    return said


def loader_raises(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    import datasets

    def load_dataset_builder(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset_builder", load_dataset_builder)


def hub_error(name: str, status: int = 401) -> Exception:
    """An error as huggingface_hub raises it."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    response = httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))
    error: Exception = getattr(errors, name)(f"{status} Client Error", response=response)
    return error


class TestTheHub:
    def test_repeated_attempts_are_logged_once(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        import datasets

        log = logging.getLogger("huggingface_hub.utils._http")

        def load_dataset_builder(*_: object, **__: object) -> None:
            for _ in range(3):
                log.warning("no answer")
            raise ConnectionError("Couldn't reach 'owner/name' on the Hub")

        monkeypatch.setattr(datasets, "load_dataset_builder", load_dataset_builder)
        message("owner/name")
        assert caplog.messages == ["huggingface_hub: no answer"]
        assert "no answer" not in capfd.readouterr().err

    def test_offline(self) -> None:
        said = message("owner/name")
        assert "the dataset 'owner/name' is not on this machine" in said
        assert "HF_HUB_OFFLINE (or HF_DATASETS_OFFLINE) is set" in said
        assert 'Unset it to download the dataset. A local folder is written path = "./owner/name"' in said

    def test_unreachable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        loader_raises(monkeypatch, ConnectionError("Couldn't reach 'owner/name' on the Hub (ConnectError)"))
        said = message("owner/name")
        assert "the Hugging Face Hub cannot be reached: Couldn't reach 'owner/name'" in said
        assert "Check the network and the proxy" in said

    def test_gated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from datasets.exceptions import DatasetNotFoundError

        wrapped = DatasetNotFoundError("Dataset 'owner/name' is a gated dataset on the Hub.")
        for error in (hub_error("GatedRepoError", 403), wrapped):
            loader_raises(monkeypatch, error)
            said = message("owner/name")
            assert "the dataset 'owner/name' is gated: its owner has to grant you access" in said
            assert "https://huggingface.co/datasets/owner/name, then log in with `hf auth login`" in said

    def test_private_or_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from datasets.exceptions import DatasetNotFoundError

        wrapped = DatasetNotFoundError("Dataset 'owner/name' doesn't exist on the Hub or cannot be accessed.")
        for error in (hub_error("RepositoryNotFoundError"), wrapped):
            loader_raises(monkeypatch, error)
            said = message("owner/name")
            assert "has no dataset 'owner/name', or it is private and you have no access" in said
            assert "If it is private, log in with `hf auth login`, or set HF_TOKEN" in said

    def test_a_missing_revision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loader_raises(monkeypatch, hub_error("RevisionNotFoundError", 404))
        assert "the dataset 'owner/name' has no revision 'v9'" in message("owner/name", revision="v9")

    def test_a_script(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = RuntimeError("Dataset scripts are no longer supported, but found name.py")
        loader_raises(monkeypatch, said)
        found = message("owner/name")
        assert "is built by a script, and datasets does not run scripts" in found
        assert 'revision = "refs/convert/parquet"' in found

    def test_any_other_error_is_shown_without_a_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loader_raises(monkeypatch, KeyError("x"))
        assert message("owner/name") == "the dataset 'owner/name' cannot be read: KeyError: 'x'"

    def test_a_cache_without_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loader_raises(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
        assert "No space left on device.\n  Set HF_HOME to a writable folder" in message("owner/name")


class TestThisMachine:
    def test_a_missing_file_is_not_searched_on_the_hub(self, no_network: None) -> None:
        write("corpus.jsonl", ROWS)
        said = message("corpsu.jsonl")
        assert "no such file or folder: corpsu.jsonl. Did you mean 'corpus.jsonl'?" in said
        assert 'A dataset on the Hugging Face Hub is written path = "owner/name"' in said
        for path in ("./owner/name", "../x", "/nowhere/at/all", "~/no such folder", "a/b/c", "x.parquet"):
            assert "no such file or folder" in message(path)
        assert "there is no folder far either" in message("far/a.csv")
        assert "no file matches '*.csv'" in message("*.csv")

    def test_files_of_a_folder_or_a_loader(self) -> None:
        write("d/a.jsonl", ROWS)
        assert "no such file or folder: d/b.jsonl" in message("d", data_files="b.jsonl")
        assert "no such file or folder: b.jsonl" in message("json", data_files=["b.jsonl"])
        assert 'needs files to read: data_files = "my.json"' in message("json")
        assert "is already a file: leave data_files out" in message("d/a.jsonl", data_files="a.jsonl")

    def test_a_folder_without_data(self) -> None:
        Path("empty").mkdir()
        assert "there are no data files for the dataset 'empty'" in message("empty")
        write("old [1]/a.jsonl", ROWS)
        assert "it reads [, ], * and ? in the name of a folder as a pattern" in message("old [1]")

    def test_an_extension_that_says_nothing(self) -> None:
        write("a.docx", "x")
        said = message("./a.docx")
        assert "'./a.docx' has none that datasets can read" in said
        assert 'path = "text" (or json, csv, parquet, arrow) and data_files = "my.file"' in said

    def test_a_script(self) -> None:
        write("d/d.py", "print()")
        write("d/a.jsonl", ROWS)
        assert "is built by a script, and datasets does not run scripts" in message("d")
        assert "d/d.py is a dataset script, and datasets does not run scripts" in message("d/d.py")

    def test_options_that_are_for_others(self) -> None:
        write("a.jsonl", ROWS)
        write("saved", ROWS)
        assert "revision = 'main' is for datasets on the Hub" in message("a.jsonl", revision="main")
        assert "Leave it out (source.name=none)" in message("a.jsonl", name="x")
        write("d/a.jsonl", ROWS)
        assert "available: default.\n  Choose one: name = 'default'" in message("d", name="x")
        assert "or leave it out: source.name=none" in message("d", name="x")
        assert "is read whole: leave data_files out" in message("saved", data_files="a.arrow")

    def test_configurations(self) -> None:
        for name in ("large", "small"):
            write(f"d/{name}/a.jsonl", [{"text": name}])
        configs = "".join(f"- config_name: {n}\n  data_files: {n}/*.jsonl\n" for n in ("large", "small"))
        write("d/README.md", f"---\nconfigs:\n{configs}---\n")
        said = message("d")
        assert "the dataset 'd' has several configurations; available: large, small" in said
        assert "Choose one: name = 'large' in [source], or source.name=large" in said
        assert "has no configuration 'huge'; available: large, small" in message("d", name="huge")
        assert [list(HubDataset("d", name=n).documents()) for n in ("large", "small")] == [
            ["large\n"],
            ["small\n"],
        ]


class TestColumns:
    def test_several_and_no_choice(self) -> None:
        said = message(write("a.jsonl", ROWS))
        assert "has 2 text columns: question, answer.\n" in said
        assert said.endswith("Choose one: source.column=question")
        assert list(HubDataset("a.jsonl", column="answer").documents()) == ["a\n"]

    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
    def test_missing(self, name: str, streaming: bool) -> None:
        said = message(write(name, ROWS), column="qestion", streaming=streaming)
        assert "has no column 'qestion'. Did you mean 'question'?" in said
        assert "label (int" in said

    def test_not_text(self) -> None:
        said = message(write("a.jsonl", ROWS), column="label")
        assert "the column 'label' of the dataset 'a.jsonl' holds int64, not text" in said
        assert "Text columns: question, answer" in said

    def test_no_text_at_all(self) -> None:
        said = message(write("a.jsonl", [{"n": 1, "words": ["a"], "unknown": None}]))
        assert "has no text column; it has n (int64), words (List), unknown (null)" in said

    @leaves_a_file_open
    def test_a_stream_of_csv_that_turns_into_numbers(self) -> None:
        write("a.csv", "text\n" + "word\n" * 10_000 + "7\n" * 10)
        said = message("a.csv", streaming=True)
        assert "row 10001 of the split 'all'" in said
        assert "has 7 in the column 'text', which is not text" in said
        assert "use streaming = false" in said


class TestContents:
    @leaves_a_file_open
    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            ("a.jsonl", b'{"text": "x"}\n{"text": oops\n', "JSON parse error: Invalid value. in row 1"),
            ("a.parquet", b"PAR1 and no more", "Parquet"),
            ("a.csv", b"text,n\nx,1\ny,2,3,4\n", "Expected 2 fields in line 3, saw 4"),
            ("a.txt", b"one\ntwo \xff \x81\n", "can't decode byte 0xff"),
        ],
    )
    def test_a_damaged_file_is_named(self, name: str, data: bytes, reason: str, streaming: bool) -> None:
        write(f"d/{name}", data)
        said = message("d", streaming=streaming)
        assert f"/d/{name} cannot be read: " in said
        assert reason in said
        assert "It is damaged, or not in the format or encoding that its name implies" in said

    @leaves_a_file_open
    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize(
        ("data", "encoding"),
        [
            ("id,text\n1,café\n".encode("cp1252"), "cp1252"),
            ("id,text\n1,café is open\n".encode("utf-16"), "utf-16"),
        ],
    )
    def test_another_encoding_is_recognised(self, data: bytes, encoding: str, streaming: bool) -> None:
        said = message(write("a.csv", data), streaming=streaming)
        assert f"a.csv is not UTF-8; it looks like {encoding}.\n  Set source.encoding={encoding}\n" in said

    def test_another_delimiter_is_recognised(self) -> None:
        said = message(write("a.csv", "id;text\n1;one, two\n"))
        assert "a.csv has no comma in its header, 'id;text'." in said
        assert said.endswith("""Set the character between its cells: 'source.delimiter=";"'""")
        assert r"""'source.delimiter="\t"'""" in message(write("b.csv", "id\ttext\n1\tone\n"))

    def test_what_does_not_go_with_the_files(self) -> None:
        write("a.jsonl", ROWS)
        write("saved", ROWS)
        assert "source.delimiter is for csv files, and the dataset 'a.jsonl' is read as json" in message(
            "a.jsonl", delimiter=";"
        )
        write("a.parquet", ROWS)
        assert "source.encoding is for csv, json, text files" in message("a.parquet", encoding="cp1252")
        assert "saved was saved by save_to_disk: leave out source.encoding." in message("saved", encoding="x")
        assert "saved is a folder: give it on its own" in message(["a.jsonl", "saved"])
        assert "at least one path" in message([])

    def test_the_damaged_one_of_several(self) -> None:
        write("d/a.jsonl", '{"text": "x"}\n')
        write("d/b.jsonl", '{"text": \n')
        assert "/d/b.jsonl cannot be read: " in message("d")

    @leaves_a_file_open
    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
    def test_different_columns(self, extension: str, streaming: bool) -> None:
        write(f"d/a.{extension}", [{"text": "x"}])
        write(f"d/b.{extension}", [{"words": "x"}])
        said = message("d", column="text", streaming=streaming)
        assert "the files of the dataset 'd' do not all have the same columns" in said
        assert "List the files that belong together: data_files" in said

    @pytest.mark.parametrize("streaming", [False, True])
    def test_an_empty_split(self, streaming: bool) -> None:
        write("d/train.jsonl", [{"text": "x"}])
        write("d/test.jsonl", [{"text": ""}, {"text": None}])
        said = message("d", streaming=streaming)
        assert "the split 'test' of the dataset 'd' is empty: 2 rows, all of them without text" in said

    @pytest.mark.parametrize("streaming", [False, True])
    def test_an_empty_file(self, streaming: bool) -> None:
        for name in ("a.jsonl", "a.txt"):
            said = message(write(name, ""), streaming=streaming)
            assert said == f"the dataset {name!r} is empty: it has no rows."
