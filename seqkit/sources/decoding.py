"""Bytes to text, chunk by chunk, with errors that say where."""

from __future__ import annotations

import codecs
import io
import shlex
from typing import Literal

from seqkit.errors import SourceError
from seqkit.sources.contents import LOOKED_AT, check_is_text, guess_encoding, say


class TextDecoder:
    """An incremental decoder that knows the byte offset and the line of invalid bytes.

    Args:
        name: of the file, for errors.
        encoding: any of Python's text encodings.
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
            "".encode(encoding)  # an encoding of bytes to bytes, such as "base64", fails here
        except (LookupError, UnicodeError):
            raise SourceError(
                f"Python knows no text encoding called {encoding!r}.\n  Common ones: utf-8, cp1252, utf-16."
            ) from None
        self._name, self._encoding = name, encoding
        self._decoder = make(errors=on_error)
        # What "replace" gives and "ignore" does not are the replacements.
        self._ignoring = make(errors="ignore") if on_error == "replace" else None
        self._translate = io.IncrementalNewlineDecoder(None, translate=True) if newlines == "lf" else None
        self._strip_mark = codecs.lookup(encoding).name == "utf-8"
        self._offset = 0
        self._line = 1
        self.replaced = 0
        name = codecs.lookup(encoding).name
        is_one_byte = name.startswith(("cp", "iso8859", "mac", "koi8")) or name in ("latin-1", "ascii")
        self._as_utf8 = codecs.getincrementaldecoder("utf-8")() if is_one_byte else None
        """Decodes the same bytes while they are UTF-8, where the encoding takes any bytes."""
        self._beyond_ascii = False

    @property
    def unfinished(self) -> int:
        """Bytes at the end of what was given that begin a character, and are not all of it."""
        return len(self._decoder.getstate()[0])

    @property
    def is_utf8(self) -> bool:
        """Whether all that was read in a one-byte encoding is UTF-8 with more than ASCII in it."""
        return self._as_utf8 is not None and self._beyond_ascii

    def decode(self, chunk: bytes, final: bool = False) -> str:
        """The text of the next bytes; `final` with the last of them.

        Raises:
            SourceError: the bytes are invalid, with file, byte offset, line and a hint; or the first of
                them show that they are not text.
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
        remedy = "source.on_error=replace reads each invalid sequence as U+FFFD, and counts them."
        if is_cut:
            remedy = f"It ends within a character: it may have been cut short.\n  {remedy}"
        elif likely is not None:
            remedy = f"It looks like {likely}. {say(likely, shlex.quote(str(self._name)))}"
        else:
            remedy = f"If it is in another encoding, say which: source.encoding=NAME\n  Or {remedy}"
        return SourceError(
            f"{self._name} is not valid {self._encoding}: byte 0x{found} at byte offset {offset}, "
            f"line {line} ({error.reason}).\n  {remedy}"
        )
