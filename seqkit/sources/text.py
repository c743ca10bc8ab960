"""Text files: a path, a folder, a list, a glob, or one of these per split."""

from __future__ import annotations

import difflib
import glob
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from seqkit.errors import SourceError
from seqkit.fingerprint import fingerprint
from seqkit.sources.base import Piece, TextSource
from seqkit.sources.compressed import open_bytes, read_bytes, unreadable
from seqkit.sources.decoding import TextDecoder
from seqkit.sources.folders import texts_in

Paths: TypeAlias = str | Path | Sequence[str | Path]

SPLITS = ("train", "validation", "test")
CHUNK_BYTES = 1 << 18  # decodes to at most 2**18 characters, so to at most 1 MiB of UTF-8


class TextFiles(TextSource):
    """Text files, each a document; `.gz`, `.bz2`, `.xz` and `.zst` are decompressed as a stream.

    Args:
        path: a path, a list of paths, a glob (`"corpus/*.txt"`, sorted), a folder (its `.txt`, `.md`, ...
            and those of its subfolders, sorted; the files left out are logged), or
            `{"train": ..., "validation": ..., "test": ...}` with one of these per split.
        encoding: encoding of every file; `"utf-8"` also accepts a byte order mark.
        newlines: `"lf"` reads CRLF and CR as LF; `"keep"` reads them as they are.
        on_error: `"strict"` raises on invalid bytes; `"replace"` reads each invalid sequence as
            U+FFFD, and counts them in `replaced` and `notes`.

    Raises:
        SourceError: immediately for a missing path, a folder without text files or a glob that matches
            nothing; while reading for a file that is empty, unreadable, not text or not in the encoding.
    """

    def __init__(
        self,
        path: Paths | Mapping[str, Paths],
        encoding: str = "utf-8",
        newlines: Literal["lf", "keep"] = "lf",
        on_error: Literal["strict", "replace"] = "strict",
    ) -> None:
        self.files: dict[str, list[Path]]
        if isinstance(path, Mapping):
            self.files = {split: find(paths) for split, paths in check_splits(path, "text").items()}
        else:
            self.files = {"all": find(path)}
        self.splits = tuple(self.files)
        self.encoding, self.newlines, self.on_error = encoding, newlines, on_error
        self.replaced: dict[Path, int] = {}
        """Number of invalid sequences that were replaced, by file."""
        self.looks_like_utf8: set[Path] = set()
        """Files read in a one-byte encoding that are also valid UTF-8."""

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        """The files of a split in order; a missing line end between two files is added."""
        files = self._of_split(split)
        for index, file in enumerate(files):
            last = "\n"
            pending: str | None = None
            for text in self._read(file):
                if pending is not None:
                    yield Piece(pending, False)
                pending = text
                last = text[-1]
            if pending is not None:
                glue = "\n" if last != "\n" and index + 1 < len(files) else ""
                yield Piece(pending + glue, True)

    @property
    def notes(self) -> tuple[str, ...]:
        """Number of invalid sequences that were replaced, and files that seem to have another encoding."""
        replaced = (
            f"{file.name}: {count} invalid {self.encoding} sequences are read as U+FFFD"
            for file, count in self.replaced.items()
        )
        misread = (
            f"{file.name} is read as {self.encoding}, but it is valid UTF-8: should source.encoding be utf-8?"
            for file in sorted(self.looks_like_utf8)
        )
        return (*replaced, *misread)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the contents of every file and the reading options, independent of location."""
        digests = {split: [_digest(file) for file in files] for split, files in self.files.items()}
        return fingerprint(["text", digests, self.encoding, self.newlines, self.on_error])

    def _of_split(self, split: str) -> list[Path]:
        if split not in self.files:
            raise SourceError(f"there is no split {split!r}; the source has {', '.join(self.splits)}.")
        return self.files[split]

    def _read(self, file: Path) -> Iterator[str]:
        decoder = TextDecoder(file, self.encoding, self.newlines, self.on_error)
        empty = True
        with open_bytes(file) as stream:
            while chunk := read_bytes(stream, file, CHUNK_BYTES):
                if text := decoder.decode(chunk):
                    empty = False
                    yield text
        if text := decoder.decode(b"", final=True):
            yield text
        elif empty:
            raise SourceError(f"{file} is empty: it has no text.")
        if decoder.replaced:
            self.replaced[file] = decoder.replaced
        if decoder.is_utf8:
            self.looks_like_utf8.add(file)


Given = TypeVar("Given")


def check_splits(given: Mapping[str, Given], use: str) -> dict[str, Given]:
    """The values given for each split, in the order of the splits.

    Raises:
        SourceError: a split has an unknown name, or there is no training split.
    """
    if "train" not in given or not set(given) <= set(SPLITS):
        raise SourceError(
            f"the splits of the source {use} are {', '.join(SPLITS)}, and train is required; "
            f"got {', '.join(given) or 'none'}."
        )
    return {split: given[split] for split in SPLITS if split in given}


def find(paths: Paths) -> list[Path]:
    """Files named by paths, globs and folders, in order.

    Raises:
        SourceError: a file is missing, a glob matches nothing, or a folder has no text file.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise SourceError("a text source needs at least one path, and the list is empty.")
    files: list[Path] = []
    for path in given:
        text = str(path)
        if glob.has_magic(text) and not os.path.exists(text):
            matches = [
                Path(match) for match in sorted(glob.glob(text, recursive=True)) if Path(match).is_file()
            ]
            if not matches:
                raise SourceError(f"no file matches {text!r}.")
            files += matches
        elif os.path.isdir(text):
            files += texts_in(Path(text))
        else:
            files.append(_checked(Path(text)))
    return files


def _checked(path: Path) -> Path:
    try:
        path.stat()
    except FileNotFoundError:
        pass  # raised below, with the nearest name
    except OSError as error:  # a name that is too long, a folder without permission
        raise unreadable(path, error) from error
    if not path.exists():
        message = f"no such file: {path}"
        if not path.parent.is_dir():
            message += f" (there is no folder {path.parent} either)"
        else:
            near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
            message += f". Did you mean {str(path.with_name(near[0]))!r}?" if near else "."
        raise SourceError(message)
    if not path.is_file():
        raise SourceError(
            f"{path} is not a regular file, and a text is read more than once: save it to a file first."
        )
    return path


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(file, error) from error
