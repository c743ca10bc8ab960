import logging
from pathlib import Path

import pytest

from seqkit.errors import SourceError
from seqkit.sources import TextFiles
from seqkit.sources.folders import texts_in


def write(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("" if "empty" in name else f"{name}\n")


def test_a_folder_is_read_whole_in_order_and_what_is_left_out_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    write("t/b.md", "t/a.txt", "t/sub/c.rst", "t/B.TXT")
    write("t/x.png", "t/y.png", "t/empty.txt", "t/.git/config", "t/.a.txt", "t/README", "t/z.pdf")
    with caplog.at_level(logging.WARNING):
        source = TextFiles("t")
    assert [str(file) for file in source.files["all"]] == ["t/B.TXT", "t/a.txt", "t/b.md", "t/sub/c.rst"]
    assert list(source.documents()) == ["t/B.TXT\n", "t/a.txt\n", "t/b.md\n", "t/sub/c.rst\n"]
    said = "t: text files: 4; left out: 7 (2 .png, 2 hidden, 1 .pdf, 1 empty, 1 of other kinds)"
    assert said in caplog.text
    assert TextFiles({"train": "t", "test": "t/sub"}).files["test"] == [Path("t/sub/c.rst")]


def test_nothing_is_said_where_nothing_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    write("t/a.txt")
    assert TextFiles(["t", "t/a.txt"]).files["all"] == [Path("t/a.txt")] * 2
    assert caplog.text == ""


def test_a_folder_without_a_text_is_an_error() -> None:
    write("code/a.py", "code/b.py", "code/notes.log")
    with pytest.raises(SourceError) as caught:
        texts_in(Path("code"))
    assert "code has no text file (.adoc .markdown .md " in str(caught.value)
    assert "it holds 2 .py, 1 .log." in str(caught.value)
    assert "'code/**/*.log'" in str(caught.value)
    Path("nothing").mkdir()
    with pytest.raises(SourceError, match="it is empty"):
        TextFiles("nothing")
