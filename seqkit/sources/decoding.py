"""Decode bytes to text chunk by chunk; errors give the position."""

from __future__ import annotations

import codecs
import io
import shlex
from typing import Literal

from seqkit.errors import SourceError
from seqkit.sources.contents import LOOKED_AT, check_is_text, guess_encoding, say


class TextDecoder:
    """An incremental decoder that reports the byte offset and the line of invalid bytes.

    Args:
        name: file name for error messages.
        encoding: any text encoding of Python.
        newlines: `"lf"` reads CRLF and CR as LF; `"keep"` reads them as they are.
        on_error: `"strict"` raises; `"replace"` gives U+FFFD and counts in `replaced`.
    """

    def __init__(
        self,
        name: object,
        encoding: str = "utf-8",
        newlines: Literal["lf", "keep"] = "lf",
        on_error: Literal["strict", "replace"] = "strict",
    ) -> None:
        try:
            make = codecs.getincrementaldecoder(encoding)
            "".encode(encoding)  # a bytes-to-bytes encoding, such as "base64", fails here
        except (LookupError, UnicodeError):
            raise SourceError(
                f"Python has no text encoding called {encoding!r}.\n  Common ones: utf-8, cp1252, utf-16."
            ) from None
        self._name, self._encoding = name, encoding
        self._decoder = make(errors=on_error)
        # The characters that "replace" adds, compared with "ignore", are the replacements.
        self._ignoring = make(errors="ignore") if on_error == "replace" else None
        self._translate = io.IncrementalNewlineDecoder(None, translate=True) if newlines == "lf" else None
        self._strip_mark = codecs.lookup(encoding).name == "utf-8"
        self._offset = 0
        self._line = 1
        self.replaced = 0
        name = codecs.lookup(encoding).name
        is_one_byte = name.startswith(("cp", "iso8859", "mac", "koi8")) or name in ("latin-1", "ascii")
        self._as_utf8 = codecs.getincrementaldecoder("utf-8")() if is_one_byte else None
        """Decodes the same bytes while they are valid UTF-8; only if the encoding accepts any bytes."""
        self._beyond_ascii = False

    @property
    def unfinished(self) -> int:
        """Number of bytes at the end of the input that belong to an incomplete character."""
        return len(self._decoder.getstate()[0])

    @property
    def is_utf8(self) -> bool:
        """Whether everything read in a one-byte encoding is also valid UTF-8, with non-ASCII characters."""
        return self._as_utf8 is not None and self._beyond_ascii

    def decode(self, chunk: bytes, final: bool = False) -> str:
        """Decode the next bytes; `final` marks the last ones.

        Raises:
            SourceError: the bytes are invalid (with file, byte offset, line and a hint), or the first
                bytes show that the file is not text.
        """
        if self._offset == 0 and chunk:
            check_is_text(self._name, chunk, self._encoding)
        if self._strip_mark and chunk:
            if self._offset == 0 and chunk.startswith(codecs.BOM_UTF8):
                self._offset, chunk = len(codecs.BOM_UTF8), chunk[len(codecs.BOM_UTF8) :]
            self._strip_mark = False
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise self._invalid(chunk, error) from None
        self._offset += len(chunk)
        if self._as_utf8 is not None:
            try:
                self._beyond_ascii |= not self._as_utf8.decode(chunk, final).isascii()
            except UnicodeDecodeError:
                self._as_utf8 = None
        if self._ignoring is not None:
            self.replaced += len(text) - len(self._ignoring.decode(chunk, final))
        self._line += text.count("\n")
        if self._translate is not None:
            text = self._translate.decode(text, final)
        return text

    def _invalid(self, chunk: bytes, error: UnicodeDecodeError) -> SourceError:
        carried = len(error.object) - len(chunk)  # bytes of an unfinished character before this chunk
        offset = self._offset - carried + error.start
        before = error.object[: error.start].decode(self._encoding, "ignore")
        line = self._line + before.count("\n")
        found = error.object[error.start : max(error.end, error.start + 1)].hex(" ")
        is_cut = error.reason in ("unexpected end of data", "truncated data", "incomplete multibyte sequence")
        around = error.object[max(error.start - LOOKED_AT // 2, 0) :]
        likely = guess_encoding(error.object if offset < LOOKED_AT else around)
        remedy = "With source.on_error=replace, each invalid sequence is read as U+FFFD and counted."
        if is_cut:
            remedy = f"It ends in the middle of a character: it may have been cut off.\n  {remedy}"
        elif likely is not None:
            remedy = f"It looks like {likely}. {say(likely, shlex.quote(str(self._name)))}"
        else:
            remedy = f"If it is in another encoding, set source.encoding=NAME\n  {remedy}"
        return SourceError(
            f"{self._name} is not valid {self._encoding}: byte 0x{found} at byte offset {offset}, "
            f"line {line} ({error.reason}).\n  {remedy}"
        )
