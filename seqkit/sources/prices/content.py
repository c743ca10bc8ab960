"""The bytes of a price file, as UTF-8 with LF line ends, after a check that it can be a CSV file."""

from __future__ import annotations

import codecs
import re
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from seqkit.errors import SourceError
from seqkit.sources import archives
from seqkit.sources.compressed import NAMES, open_bytes, read_bytes
from seqkit.sources.prices.findings import shown_cell

_HTML = re.compile(
    rb"<(!doctype|!--|\?xml|(html|head|body|script|meta|table|div)\b[^,;\t|]*>)", re.IGNORECASE
)
_JSON = re.compile(rb'\{|\[\s*[\[{"\d\]]')
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


Data: TypeAlias = bytes | mmap


class Content(NamedTuple):
    """A file's text and its detected encoding."""

    data: Data
    """UTF-8; lines end with a line feed. The memory-mapped file itself if it is already like this."""
    encoding: str


def read_content(path: Path) -> Content:
    """The text of a file; `.gz`, `.zst` and a `.zip` of one file are decompressed.

    Raises:
        SourceError: the file cannot be read, is empty, or is JSON, HTML, a workbook or another binary file.
    """
    data = read_data(path)
    if data[:8].startswith(_EXCEL):
        raise SourceError(
            f"{path} is an Excel workbook, not CSV.\n  Save the sheet as CSV, and give that file."
        )
    encoding = "utf-8"
    if isinstance(data, bytes):
        data, encoding = _as_utf8(data)
    start = data[:4096].lstrip()
    if not start and not data[:].strip():
        raise SourceError(f"{path} is empty: it has no prices.")
    kind = "JSON" if _JSON.match(start) else "HTML" if _HTML.match(start) else None
    if kind:
        raise SourceError(
            f"{path} is {kind}, not CSV: it starts with {shown_cell(start.decode('utf-8', 'ignore'))}\n"
            "  A server sends this instead of prices when it refuses a request; download the file again."
        )
    if data.find(b"\0") >= 0:
        raise SourceError(f"{path} has NUL bytes: it is a binary file or damaged, not CSV.")
    return Content(data, encoding)


def read_data(path: Path) -> Data:
    """The bytes of a file, decompressed; the memory-mapped file itself if it is ASCII with LF line ends.

    Raises:
        SourceError: the file cannot be read.
    """
    if path.suffix.lower() == archives.NAME:
        return archives.read_only_csv(path)
    with open_bytes(path) as stream:
        if path.suffix not in NAMES:
            try:
                mapped = mmap(stream.fileno(), 0, access=ACCESS_READ)
            except (OSError, ValueError):  # a pipe, or an empty file
                return read_bytes(stream, path, -1)
            is_ascii = np.frombuffer(mapped, np.uint8).max() < 128
            return mapped if is_ascii and mapped.find(b"\r") < 0 else mapped[:]
        return read_bytes(stream, path, -1)


def _as_utf8(data: bytes) -> tuple[bytes, str]:
    """The data as UTF-8 without byte order marks, with LF line ends, and its encoding."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data, encoding = data.decode("utf-16", "replace").encode(), "utf-16"
    else:
        data, encoding = data.removeprefix(codecs.BOM_UTF8), "utf-8"
        try:
            data.decode()
            # A file that was joined from others can have byte order marks inside.
            data = data.replace(codecs.BOM_UTF8, b"")
        except UnicodeDecodeError:
            # Digits are the same in every Western European encoding; only names can look wrong.
            data, encoding = data.decode("latin-1").encode(), "latin-1"
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), encoding
