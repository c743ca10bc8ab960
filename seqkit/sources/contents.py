"""Recognise by its first bytes what a file contains: text in some encoding, or another format."""

from __future__ import annotations

import codecs
import re
import shlex
import unicodedata
from typing import NamedTuple

from seqkit.errors import SourceError

LOOKED_AT = 1 << 16
"""Number of bytes examined at the start of a file."""


class Format(NamedTuple):
    """A format that is not text, and what to do with such a file."""

    starts: re.Pattern[bytes]
    what: str
    remedy: str
    """What to do; `{file}` is the name of the file, quoted for a shell."""


def _starts(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


_EXPORT = "Save it as plain text (UTF-8), and give that file."
_UNPACK = "Unpack it, and give the text files that are in it"
_RENAME = "Add the extension of its format, and it will be decompressed: mv {file} {file}"
_ROWS = "The source hf reads its rows (source.use=hf)"

FORMATS = (
    Format(_starts(rb"PK\x03\x04(.*?PK\x03\x04)?.{26}word/"), "a Word document", _EXPORT),
    Format(_starts(rb"PK\x03\x04(.*?PK\x03\x04)?.{26}xl/"), "an Excel workbook", "Save the sheet as CSV."),
    Format(_starts(rb"PK\x03\x04(.*?PK\x03\x04)?.{26}ppt/"), "a PowerPoint presentation", _EXPORT),
    Format(_starts(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis"), "an OpenDocument file", _EXPORT),
    Format(_starts(rb"PK\x03\x04.{26}mimetypeapplication/epub"), "an EPUB book", _EXPORT),
    Format(_starts(rb"PK(\x03\x04|\x05\x06|\x07\x08)"), "a zip archive", _UNPACK + ": unzip {file}"),
    Format(_starts(rb".{257}ustar"), "a tar archive", _UNPACK + ": tar -xf {file}"),
    Format(_starts(rb"7z\xbc\xaf\x27\x1c"), "a 7z archive", _UNPACK + "."),
    Format(_starts(rb"Rar!\x1a\x07"), "a RAR archive", _UNPACK + "."),
    Format(_starts(rb"\x1f\x8b\x08"), "a gzip file", _RENAME + ".gz"),
    Format(_starts(rb"BZh[1-9]1AY&SY"), "a bzip2 file", _RENAME + ".bz2"),
    Format(_starts(rb"\xfd7zXZ\x00"), "an XZ file", _RENAME + ".xz"),
    Format(_starts(rb"\x28\xb5\x2f\xfd"), "a Zstandard file", _RENAME + ".zst"),
    Format(_starts(rb"PAR1\x15"), "a Parquet file", _ROWS + " if its name ends in .parquet."),
    Format(_starts(rb"ARROW1\x00\x00"), "an Arrow file", _ROWS + " if its name ends in .arrow."),
    Format(_starts(rb"%PDF-\d\.\d"), "a PDF document", "Extract its text first: pdftotext {file}"),
    Format(_starts(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Office document", _EXPORT),
    Format(_starts(rb"SQLite format 3\x00"), "an SQLite database", "Export its texts to a file."),
    Format(_starts(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a"), "an image", "Give a text file."),
    Format(_starts(rb"\x89HDF\r\n\x1a\n|\x93NUMPY"), "a file of numbers", "Give a text file."),
    Format(_starts(rb"\x7fELF|\xcf\xfa\xed\xfe|\xfe\xed\xfa\xcf"), "a program", "Give a text file."),
)

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
SHORTEST = 4
"""Minimum number of characters that identify an encoding; fewer prove nothing."""
_NOT_TEXT = ("Cc", "Cn", "Co", "Cs")
"""Unicode categories that are rare in text: control, unassigned, private use, surrogate."""


def check_is_text(name: object, start: bytes, encoding: str) -> None:
    """Check by its first bytes that a file is text.

    Args:
        name: file name for error messages.
        start: first bytes of the file, decompressed; 64 KiB are enough.
        encoding: encoding the file will be read in.
    Raises:
        SourceError: it is not text, or it is UTF-16 or UTF-32 and would be read in another encoding.
    """
    start = start[:LOOKED_AT]
    file = shlex.quote(str(name))
    for one in FORMATS:
        if one.starts.match(start):
            raise SourceError(f"{name} is {one.what}, not text.\n  {one.remedy.format(file=file)}")
    if b"\0" in start and not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        if marked := _by_mark(start):
            raise SourceError(f"{name} is {marked.upper()}, not {encoding}.\n  {say(marked, file)}")
        if wide := _wide(start):
            kind = wide[:6].upper()
            raise SourceError(
                f"{name} is {kind} without a byte order mark, not {encoding}.\n  {say(wide, file)}"
            )


def guess_encoding(data: bytes) -> str | None:
    """Guess the encoding of bytes that are not UTF-8: a Python encoding, or None if it is not clear."""
    data = data[:LOOKED_AT]
    return _by_mark(data) or _wide(data) or ("cp1252" if _is_western(data) else None)


def say(encoding: str, file: str) -> str:
    """How to read a file in an encoding, for messages; `file` is quoted for a shell."""
    return (
        f"Set source.encoding={encoding}\n"
        f"  Or convert it: iconv -f {encoding} -t utf-8 {file} > converted.txt"
    )


def _by_mark(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _wide(data: bytes) -> str | None:
    """Detect UTF-16 or UTF-32 without a byte order mark; spaces and line ends then have zero bytes."""
    return next((encoding for encoding in _WIDE if b"\0" in data and _reads_as_text(data, encoding)), None)


def _reads_as_text(data: bytes, encoding: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    blanks = text.count(" ") + text.count("\n")
    return len(text) >= SHORTEST and blanks * 100 >= len(text) and _strange(text) * 100 <= len(text)


def _is_western(data: bytes) -> bool:
    """Whether bytes are plausible in cp1252 (Western Europe): mostly ASCII, no control characters."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    others = sum(not character.isascii() for character in text)
    return others * 2 <= len(text) and not _strange(text)


def _strange(text: str) -> int:
    return sum(
        character not in "\t\n\r\f" and unicodedata.category(character) in _NOT_TEXT for character in text
    )
