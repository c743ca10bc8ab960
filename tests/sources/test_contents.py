"""Messages name the format of files that are not text; encodings are recognised."""

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pytest
from backports import zstd

from seqkit.errors import SourceError
from seqkit.sources import TextFiles
from seqkit.sources.contents import guess_encoding

SMART = "“Smart quotes” and a dash — in a file of Windows’ own. It’s café for €3.\n" * 60
PLAIN = "Plain words in UTF-16, without a mark.\n" * 60
RUSSIAN = "Слова без метки.\n" * 60


def message(name: str, data: bytes, **options: str) -> str:
    Path(name).write_bytes(data)
    with pytest.raises(SourceError) as caught:
        list(TextFiles(name, **options).pieces())  # type: ignore[arg-type]
    said = str(caught.value)
    assert "latin-1" not in said
    assert len(said.splitlines()) <= 3
    return said


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "some text " * 50)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"text\n"))
    return file.getvalue()


def parquet(workdir: Path) -> bytes:
    import pyarrow
    from pyarrow import parquet as library

    library.write_table(pyarrow.table({"text": ["a", "b"]}), "made.parquet")
    return Path("made.parquet").read_bytes()


def database(workdir: Path) -> bytes:
    connection = sqlite3.connect("made.db")
    connection.execute("create table texts (text)")
    connection.commit()
    connection.close()
    return Path("made.db").read_bytes()


@pytest.mark.parametrize(
    ("data", "what", "remedy"),
    [
        (zipped("a.txt", "b.txt"), "a zip archive", "unzip a.txt"),
        (zipped("[Content_Types].xml", "word/document.xml"), "a Word document", "plain text (UTF-8)"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", "as CSV"),
        (tarred(), "a tar archive", "tar -xf a.txt"),
        (gzip.compress(b"text\n"), "a gzip file", "mv a.txt a.txt.gz"),
        (bz2.compress(b"text\n"), "a bzip2 file", "mv a.txt a.txt.bz2"),
        (lzma.compress(b"text\n"), "an XZ file", "mv a.txt a.txt.xz"),
        (zstd.compress(b"text\n"), "a Zstandard file", "mv a.txt a.txt.zst"),
        (parquet, "a Parquet file", "source.use=hf"),
        (database, "an SQLite database", "Export its texts"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document", "pdftotext a.txt"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Office document", "plain text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), "an image", "Give a text file"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
@pytest.mark.parametrize("options", [{}, {"encoding": "cp1252"}, {"on_error": "replace"}], ids=str)
def test_what_is_not_text_is_named(
    data: object, what: str, remedy: str, options: dict[str, str], workdir: Path
) -> None:
    content = data if isinstance(data, bytes) else data(workdir)  # type: ignore[operator]
    said = message("a.txt", content, **options)
    assert said.startswith(f"a.txt is {what}, not text.\n")
    assert remedy in said
    assert "encoding" not in said


def test_an_archive_within_a_compressed_file_is_named() -> None:
    assert message("a.tar.gz", gzip.compress(tarred())).startswith("a.tar.gz is a tar archive, not text.")


def test_a_name_is_quoted_for_the_shell() -> None:
    assert message("my file.txt", zipped("a")).endswith("unzip 'my file.txt'")


def test_cp1252_is_recognised() -> None:
    said = message("a.txt", SMART.encode("cp1252"))
    assert "a.txt is not valid utf-8: byte 0x93 at byte offset 0, line 1" in said
    assert "It looks like cp1252. Set source.encoding=cp1252\n" in said
    assert "iconv -f cp1252 -t utf-8 a.txt" in said
    (text,) = TextFiles("a.txt", encoding="cp1252").documents()
    assert text == SMART


def test_cp1252_is_recognised_far_behind_the_start() -> None:
    assert "source.encoding=cp1252" in message("a.txt", b"plain\n" * 200_000 + SMART.encode("cp1252"))


@pytest.mark.parametrize("text", [PLAIN, RUSSIAN, "汉字 和 标点。\n" * 40])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_and_32_without_a_mark_are_recognised(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    said = message("a.txt", data)
    assert f"source.encoding={encoding}\n" in said
    if text == PLAIN:  # it is valid UTF-8 with zero bytes, and used to be accepted as text
        assert f"a.txt is {encoding[:6].upper()} without a byte order mark, not utf-8." in said
        assert f"source.encoding={encoding}\n" in message("a.txt", data, on_error="replace")
        assert f"source.encoding={encoding}\n" in message("a.txt", data, encoding="cp1252")
    (read,) = TextFiles("a.txt", encoding=encoding).documents()
    assert read == text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_mark_says_which(encoding: str) -> None:
    assert f"a.txt is {encoding.upper()}, not utf-8." in message("a.txt", PLAIN.encode(encoding))


@pytest.mark.parametrize(
    "data", [b"a\0b\0c\0\n", b"one line\0another line\0" * 9, b"x" * 999 + b"a\0" * 99, b"\0 \n"]
)
def test_text_with_a_zero_byte_stays_text(data: bytes) -> None:
    Path("a.txt").write_bytes(data)
    (text,) = TextFiles("a.txt").documents()
    assert text == data.decode()


def test_what_is_not_clear_is_not_guessed() -> None:
    assert guess_encoding(RUSSIAN.encode("koi8-r")) is None
    assert guess_encoding("日本語のテキスト\n".encode("shift-jis") * 9) is None
    assert guess_encoding(bytes(range(1, 256))) is None
    said = message("a.txt", RUSSIAN.encode("koi8-r"))
    assert "If it is in another encoding, set source.encoding=NAME\n" in said
    assert "source.on_error=replace" in said
