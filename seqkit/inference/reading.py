"""Read a text as a model does: once, from start to end, in bounded memory.

text, or pieces of it ─► blocks of equal size ─► ids ─► chunks ─► model, with its state carried
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from seqkit.errors import UnknownCharacterError
from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.base import Ids, safe_pieces

BLOCK = 1 << 16
"""Characters tokenised at once."""
CHUNK = 1024
"""Tokens read by the model at once."""


class Block(NamedTuple):
    """A part of a text."""

    text: str
    ids: Ids
    unknown: int
    """Number of characters that are not in the vocabulary."""


@dataclass(frozen=True)
class Documents:
    """Separate documents, each in pieces; a document must be read before the next one."""

    documents: Iterable[Iterable[str]]


def read_blocks(
    tokenizer: Tokenizer, text: str | Iterable[str] | Documents, *, lines: bool = False
) -> Iterator[Block]:
    """Read a text in blocks.

    Args:
        tokenizer: the tokenizer that the model was trained with.
        text: a text, or pieces of it, of any length; or documents, each followed by an end token.
        lines: each line is a document: the end token replaces its line end.
    Raises:
        UnknownCharacterError: an unknown character, with its position in the whole text.
    """
    if isinstance(text, Documents):
        yield from _read_documents(tokenizer, text)
        return
    pieces = blocks([text] if isinstance(text, str) else text, BLOCK)
    if lines:
        yield from _read_lines(tokenizer, pieces)
    else:
        for part, ids in tokenizer.encode_stream(pieces):
            yield Block(part, ids, tokenizer.unknown_characters(part, ids))


def blocks(pieces: Iterable[str], size: int) -> Iterator[str]:
    """The same text, in pieces of equal size; only the last one may be shorter."""
    waiting: list[str] = []
    length = 0
    for piece in pieces:
        start = 0
        while length + len(piece) - start >= size:
            stop = start + size - length
            yield "".join([*waiting, piece[start:stop]])
            waiting, length, start = [], 0, stop
        if start < len(piece):
            waiting.append(piece[start:])
            length += len(piece) - start
    if waiting:
        yield "".join(waiting)


def restarts(tokenizer: Tokenizer, ids: Tensor) -> Tensor | None:
    """A mask of the ends of documents, where the state is reset: bool `(1, time)`, for ids `(time,)`."""
    return None if tokenizer.end_id is None else (ids == tokenizer.end_id)[None]


def _read_documents(tokenizer: Tokenizer, text: Documents) -> Iterator[Block]:
    """Blocks of documents, short ones together; the end token counts as the line end that it replaces."""
    end = np.array([tokenizer.end_id], tokenizer.dtype)
    parts: list[str] = []
    ids: list[Ids] = []
    unknown = characters = 0
    for document in text.documents:
        for part, encoded in tokenizer.encode_stream(document):
            parts.append(part)
            ids.append(encoded)
            unknown += tokenizer.unknown_characters(part, encoded)
            characters += len(part)
            if characters >= BLOCK:
                yield Block("".join(parts), np.concatenate(ids), unknown)
                parts, ids, unknown, characters = [], [], 0, 0
        parts.append("\n")
        ids.append(end)
        characters += 1
    if parts:
        yield Block("".join(parts), np.concatenate(ids), unknown)


def _read_lines(tokenizer: Tokenizer, pieces: Iterable[str]) -> Iterator[Block]:
    offset = 0
    for part in safe_pieces(pieces, lambda text: text.rfind("\n") + 1):
        encoded, unknown = [], 0
        for line in part.removesuffix("\n").split("\n"):
            try:
                ids = tokenizer.encode(line)
            except UnknownCharacterError as error:
                raise UnknownCharacterError(error.character, offset + error.position) from error
            unknown += tokenizer.unknown_characters(line, ids)
            encoded += [ids, np.array([tokenizer.end_id], tokenizer.dtype)]
            offset += len(line) + 1
        yield Block(part, np.concatenate(encoded), unknown)
