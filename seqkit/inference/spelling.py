"""Find the part of a text that each of its tokens represents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import regex

from seqkit.tokenizers import Tokenizer
from seqkit.tokenizers.base import Ids

_CLUSTER = regex.compile(r"\X")


def token_texts(tokenizer: Tokenizer, text: str, ids: Ids) -> list[str]:
    """The text that each token completes; joined, they are the text.

    A token that completes no character, such as the first byte of a character with several, gives "". An
    unknown token gives the text in its place. If several contiguous unknown tokens cannot be
    distinguished, the last one gives all of their text.

    Args:
        tokenizer: the tokenizer that made the ids.
        text: the encoded text.
        ids: all of its ids; an end token represents a line end.
    """
    decoder = tokenizer.decoder()
    decoded = []
    for token_id in ids.tolist():
        if token_id == tokenizer.end_id:
            decoded.append(decoder.flush() + "\n")
        else:
            decoded.append(decoder.push(token_id))
    if decoded:
        decoded[-1] += decoder.flush()
    if "".join(decoded) == text:
        return decoded
    return _aligned(decoded, [token_id == tokenizer.unknown_id for token_id in ids.tolist()], text) or decoded


def whole_characters(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Tokens in groups that can be shown separately: `(text, number of tokens)`, no group without text.

    A group ends where both a token and a grapheme cluster (see `clusters`) end.
    """
    cluster_ends = np.cumsum([0, *map(len, clusters("".join(texts)))])
    token_ends = np.cumsum([len(text) for text in texts])
    closed = np.isin(token_ends, cluster_ends)
    groups: list[tuple[str, int]] = []
    pending, count = "", 0
    for text, closes in zip(texts, closed.tolist(), strict=True):
        pending, count = pending + text, count + 1
        if closes and pending:
            groups.append((pending, count))
            pending, count = "", 0
    if count and groups:  # tokens without text at the end
        groups[-1] = (groups[-1][0], groups[-1][1] + count)
    return groups


def clusters(text: str) -> list[str]:
    """The characters that a reader sees: a letter with its marks, an emoji of several code points."""
    found: list[str] = _CLUSTER.findall(text)
    return found


def _aligned(decoded: Sequence[str], unknown: Sequence[bool], text: str) -> list[str] | None:
    """The parts of the text for the decoded tokens, if the two differ in case or unknown tokens.

    None if the text does not contain the known tokens in their order.
    """
    folded = _folded(text)
    parts: list[str] = []
    position, waiting = 0, 0
    for piece, is_unknown in zip(decoded, unknown, strict=True):
        if is_unknown or (waiting and not piece):
            waiting += 1
            continue
        start = folded.find(_folded(piece), position + bool(waiting))
        if start < 0 or (start > position and not waiting):
            return None
        if waiting:
            parts += _shared(text[position:start], waiting)
        position, waiting = start + len(piece), 0
        parts.append(text[start:position])
    if waiting:
        parts += _shared(text[position:], waiting)
    return parts if "".join(parts) == text else None


def _shared(text: str, tokens: int) -> list[str]:
    """One character per token if the numbers are equal; otherwise all characters for the last token."""
    return list(text) if len(text) == tokens else [""] * (tokens - 1) + [text]


def _folded(text: str) -> str:
    """The text without case differences, with each character at the same position."""
    return "".join([low if len(low := character.casefold()) == 1 else character for character in text])
