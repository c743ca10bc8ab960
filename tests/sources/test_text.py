import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqkit.errors import SourceError
from seqkit.sources import TextFiles
from seqkit.sources.base import MAX_PIECE_BYTES, cut_document
from seqkit.sources.text import CHUNK_BYTES


def read(source: TextFiles, split: str = "all") -> str:
    return "".join(piece.text for piece in source.pieces(split))


def write(name: str, data: str | bytes) -> str:
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return name


class TestPaths:
    def test_a_file_is_one_document(self) -> None:
        source = TextFiles(write("a.txt", "one\ntwo"))
        assert source.splits == ("all",)
        assert list(source.documents()) == ["one\ntwo"]

    def test_a_list_keeps_its_order_and_ends_every_line(self) -> None:
        source = TextFiles([write("b.txt", "b"), write("a.txt", "a\n"), write("c.txt", "c")])
        assert list(source.documents()) == ["b\n", "a\n", "c"]

    def test_a_glob_is_sorted(self) -> None:
        for name in ("c.txt", "a.txt", "b.txt", "d.md"):
            write(name, name + "\n")
        assert list(TextFiles("*.txt").documents()) == ["a.txt\n", "b.txt\n", "c.txt\n"]

    def test_a_file_whose_name_looks_like_a_glob_is_that_file(self) -> None:
        assert read(TextFiles(write("a[1].txt", "x"))) == "x"

    def test_one_path_a_split(self) -> None:
        source = TextFiles({"test": write("t.txt", "t"), "train": [write("a.txt", "a"), write("b.txt", "b")]})
        assert source.splits == ("train", "test")
        assert read(source, "train") == "a\nb"
        assert read(source, "test") == "t"
        with pytest.raises(SourceError, match="no split 'validation'; the source has train, test"):
            read(source, "validation")

    def test_splits_have_names(self) -> None:
        with pytest.raises(SourceError, match="train is required; got trian"):
            TextFiles({"trian": write("a.txt", "a")})

    def test_zstandard_is_decompressed(self) -> None:
        text = "né\n" * 200_000
        Path("a.txt.zst").write_bytes(
            zstd.compress(text.encode()[:400_001]) + zstd.compress(text.encode()[400_001:])
        )
        source = TextFiles("a.txt.zst")
        assert read(source) == read(source) == text

    @pytest.mark.parametrize(("ending", "library"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
    def test_other_compressions_are_read_through(self, ending: str, library: Any) -> None:
        text = "né, twenty characters\n" * 1000
        source = TextFiles(write(f"a.txt.{ending}", library.compress(text.encode())))
        assert read(source) == read(source) == text


class TestText:
    def test_a_byte_order_mark_is_not_text(self) -> None:
        assert read(TextFiles(write("a.txt", b"\xef\xbb\xbfone"))) == "one"

    def test_other_encodings(self) -> None:
        assert read(TextFiles(write("a.txt", "né".encode("latin-1")), encoding="latin-1")) == "né"
        assert read(TextFiles(write("b.txt", "né".encode("utf-16")), encoding="utf-16")) == "né"

    def test_newlines(self) -> None:
        name = write("a.txt", b"a\r\nb\rc\nd\r")
        assert read(TextFiles(name)) == "a\nb\nc\nd\n"
        assert read(TextFiles(name, newlines="keep")) == "a\r\nb\rc\nd\r"

    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(-4, 4), st.sampled_from(["\r\n", "ж", "𝄞", "a\0"]))
    def test_nothing_breaks_at_the_edge_of_a_chunk(self, shift: int, text: str) -> None:
        whole = "x" * (CHUNK_BYTES + shift) + text * 9 + "\n"
        source = TextFiles(write("a.txt", whole))
        assert read(source) == whole.replace("\r\n", "\n")

    def test_pieces_are_bounded_and_one_ends_the_document(self) -> None:
        pieces = list(TextFiles(write("a.txt", "ж" * 3_000_000)).pieces())
        assert all(len(piece.text.encode()) <= MAX_PIECE_BYTES for piece in pieces)
        assert [piece.ends_document for piece in pieces] == [False] * (len(pieces) - 1) + [True]

    def test_it_can_be_read_again(self) -> None:
        source = TextFiles(write("a.txt", "again\n"))
        assert read(source) == read(source)


class TestInvalidBytes:
    BAD = b"one\ntwo \xff\xfe three \xc3("

    def test_the_error_says_where(self) -> None:
        source = TextFiles(write("a.txt", self.BAD))
        with pytest.raises(SourceError) as caught:
            read(source)
        message = str(caught.value)
        assert "a.txt is not valid utf-8: byte 0xff at byte offset 8, line 2 (invalid start byte)" in message
        assert "It looks like cp1252. Set source.encoding=cp1252" in message
        assert "latin-1" not in message

    @pytest.mark.parametrize("before", [0, 3, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 7])
    def test_the_offset_counts_across_chunks(self, before: int) -> None:
        data = b"\xef\xbb\xbf" + b"a\n" * (before // 2) + b"a" * (before % 2) + "ж".encode()[:1] + b"z"
        with pytest.raises(SourceError, match=f"at byte offset {before + 3}, line {before // 2 + 1} "):
            read(TextFiles(write("a.txt", data)))

    def test_a_cut_off_character_at_the_end(self) -> None:
        with pytest.raises(SourceError, match="byte 0xd0 at byte offset 2, line 1") as caught:
            read(TextFiles(write("a.txt", b"ab\xd0")))
        assert "It ends in the middle of a character: it may have been cut off." in str(caught.value)

    def test_utf_16_is_recognised(self) -> None:
        with pytest.raises(SourceError, match="a.txt is UTF-16, not utf-8.\n  Set source.encoding=utf-16\n"):
            read(TextFiles(write("a.txt", "hello".encode("utf-16"))))

    def test_replacing_counts_and_says_so(self) -> None:
        source = TextFiles(write("a.txt", "\ufffd".encode() + self.BAD), on_error="replace")
        for _ in range(2):
            assert read(source) == "\ufffdone\ntwo \ufffd\ufffd three \ufffd("
        assert source.replaced == {Path("a.txt"): 3}
        assert source.notes == ("a.txt: 3 invalid utf-8 sequences are read as U+FFFD",)

    def test_an_unknown_encoding(self) -> None:
        for encoding in ("utf8000", "base64", "undefined"):
            with pytest.raises(SourceError, match=f"no text encoding called '{encoding}'"):
                read(TextFiles(write("a.txt", "a"), encoding=encoding))


class TestMistakes:
    def test_a_missing_file(self) -> None:
        write("corpus.txt", "a")
        with pytest.raises(SourceError, match=r"no such file: corpsu.txt. Did you mean 'corpus.txt'\?"):
            TextFiles("corpsu.txt")
        with pytest.raises(SourceError, match=r"no such file: far/a.txt \(there is no folder far either\)"):
            TextFiles("far/a.txt")

    def test_a_glob_without_a_match(self) -> None:
        with pytest.raises(SourceError, match=r"no file matches '\*.txt'"):
            TextFiles("*.txt")

    def test_a_name_that_is_too_long(self) -> None:
        with pytest.raises(SourceError, match="cannot be read: File name too long"):
            TextFiles("x" * 400)

    def test_what_can_be_read_once_only(self) -> None:
        with pytest.raises(
            SourceError, match="/dev/null is not a regular file, and a text is read more than once"
        ):
            TextFiles("/dev/null")

    def test_an_empty_list(self) -> None:
        with pytest.raises(SourceError, match="at least one path"):
            TextFiles([])

    @pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
    def test_an_empty_file(self, data: bytes) -> None:
        with pytest.raises(SourceError, match="a.txt is empty"):
            read(TextFiles(write("a.txt", data)))

    def test_an_unreadable_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = TextFiles(write("a.txt", "a"))  # root reads everything, so the refusal is simulated

        def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
        for use in (lambda: read(source), lambda: source.fingerprint):
            with pytest.raises(SourceError, match="a.txt cannot be read: Permission denied"):
                use()

    @pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"x" * 9999, mtime=0)[:-20]])
    def test_a_damaged_gzip_file(self, data: bytes) -> None:
        with pytest.raises(SourceError, match="a.gz ends in .gz, but it is not a complete gzip file"):
            read(TextFiles(write("a.gz", data)))

    @pytest.mark.parametrize(
        ("ending", "name", "library"), [("bz2", "bzip2", bz2), ("xz", "XZ", lzma)], ids=["bz2", "xz"]
    )
    @pytest.mark.parametrize("cut", [False, True])
    def test_other_damaged_files(self, ending: str, name: str, library: Any, cut: bool) -> None:
        data = library.compress(b"x" * 9999)[:-9] if cut else b"not compressed"
        with pytest.raises(
            SourceError, match=f"a.{ending} ends in .{ending}, but it is not a complete {name} file"
        ):
            read(TextFiles(write(f"a.{ending}", data)))

    @pytest.mark.parametrize("data", [b"no zstd", zstd.compress(b"x" * 9999)[:-5]])
    def test_a_damaged_zstandard_file(self, data: bytes) -> None:
        with pytest.raises(SourceError, match="a.zst ends in .zst, but it is not a complete Zstandard file"):
            read(TextFiles(write("a.zst", data)))


class TestFingerprint:
    def test_it_is_of_the_content_and_of_how_it_is_read(self) -> None:
        same = TextFiles(write("a.txt", "one")).fingerprint
        assert TextFiles(write("b.txt", "one")).fingerprint == same
        assert TextFiles(write("c.txt", "two")).fingerprint != same
        assert TextFiles("a.txt", newlines="keep").fingerprint != same
        assert TextFiles({"train": "a.txt"}).fingerprint != same


def test_a_document_in_memory_is_cut_into_bounded_pieces() -> None:
    text = "𝄞" * 600_000
    pieces = list(cut_document(text))
    assert "".join(piece.text for piece in pieces) == text
    assert all(len(piece.text.encode()) <= MAX_PIECE_BYTES for piece in pieces)
    assert [piece.ends_document for piece in pieces] == [False, False, True]
