"""The bytes of a price file, as UTF-8 with plain line ends, once it is clear that they can be a CSV file."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import NamedTuple

from seqkit.errors import SourceError
from seqkit.sources.compressed import open_bytes, read_bytes
from seqkit.sources.prices.findings import shown_cell

_HTML = re.compile(
    rb"<(!doctype|!--|\?xml|(html|head|body|script|meta|table|div)\b[^,;\t|]*>)", re.IGNORECASE
)
_JSON = re.compile(rb'\{|\[\s*[\[{"\d\]]')
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class Content(NamedTuple):
    """A file's text, and the encoding that it was found to have."""

    data: bytes
    """UTF-8; lines end with a line feed."""
    encoding: str


def read_content(path: Path) -> Content:
    """The text of a file; `.gz` and `.zst` are decompressed.

    Raises:
        SourceError: it cannot be read, is empty, or is JSON, HTML, a workbook or another binary file.
    """
    with open_bytes(path) as stream:
        data = read_bytes(stream, path, -1)
    if data.startswith(_EXCEL):
        raise SourceError(
            f"{path} is an Excel workbook, not CSV.\n  Save the sheet as CSV, and give that file."
        )
    data, encoding = _as_utf8(data)
    start = data[:4096].lstrip()
    if not start and not data.strip():
        raise SourceError(f"{path} is empty: there is no price in it.")
    kind = "JSON" if _JSON.match(start) else "HTML" if _HTML.match(start) else None
    if kind:
        raise SourceError(
            f"{path} is {kind}, not CSV: it starts {shown_cell(start.decode('utf-8', 'ignore'))}\n"
            "  A server sends such a body instead of prices when it refuses; download the file again."
        )
    if b"\0" in data:
        raise SourceError(f"{path} holds NUL bytes: it is a binary file or damaged, not CSV.")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Content(data, encoding)


def _as_utf8(data: bytes) -> tuple[bytes, str]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode(), "utf-16"
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            # Digits are the same in every encoding of Western Europe; only names can look wrong.
            return data.decode("latin-1").encode(), "latin-1"
        # A file that was put together from others can have such marks within.
        data = data.replace(codecs.BOM_UTF8, b"")
    return data, "utf-8"
