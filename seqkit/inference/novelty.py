"""Find what a model copied word for word from its training text.

    training text ─► windows ─► hashes of all `shortest` contiguous characters ──► regions whose hashes occur
                                                                                   in the generated text too
    generated text ─► its own hashes ────────────────────────────────────────────► in each region: the longest
                                                                                   spans that are in the text

The hashes are computed with numpy, at tens of millions of characters per second. The regions they find are
then compared as text, so a span is never reported because of a hash collision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seqkit.errors import OutOfRangeError
from seqkit.inference.reading import blocks

WINDOW = 1 << 18
"""Characters of the training text compared at once."""
MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2**64
TABLE_BITS = 20


@dataclass(frozen=True)
class CopiedSpan:
    """A longest possible span of a generated text that occurs in the training text."""

    text: str
    start: int
    """Its position in the generated text, in characters."""
    offset: int
    """Its first position in the training text, in characters."""


@dataclass(frozen=True)
class Novelty:
    """How much of a generated text is copied."""

    characters: int
    shortest: int
    """Minimum number of characters in a span; fewer contiguous characters are not a copy."""
    copied: int
    """Number of characters in a copied span."""
    spans: tuple[CopiedSpan, ...]
    """The copied spans, longest first; none is inside another."""

    @property
    def copied_share(self) -> float:
        """Share of copied characters, from 0 to 1."""
        return self.copied / max(self.characters, 1)


def measure_novelty(texts: Sequence[str], training: Iterable[str], shortest: int = 20) -> list[Novelty]:
    """Look for spans of generated texts in a training text of any length.

    Args:
        texts: the generated texts.
        training: the training text in pieces; it is read once.
        shortest: minimum number of characters in a span.
    Returns:
        The result for each text.
    Raises:
        OutOfRangeError: `shortest` is less than 1.
    """
    if shortest < 1:
        raise OutOfRangeError(f"shortest must be at least 1 character, got {shortest}.")
    # Spans are first searched in all texts at once. A span that crosses the end of a text does no harm:
    # the result counts only the parts of a single text that are inside a found span.
    used = set("".join(texts))
    between = next(sign for code in range(0x110000) if (sign := chr(code)) not in used)
    together = between.join(texts)
    known = _KnownGrams(together, shortest)
    found: dict[str, int] = {}  # each span, and its first position
    for offset, window in _windows(training, max(map(len, texts), default=0)):
        for start, stop in known.regions(window):
            region = window[start:stop]
            for first, last in _shared_spans(region, together, shortest):
                found.setdefault(region[first:last], offset + start + first)
    copies = between.join(found)
    copied = _KnownGrams(copies, shortest)
    return [_summed_up(text, found, copies, copied, shortest) for text in texts]


class _KnownGrams:
    """The hashes of all `size` contiguous characters of a text."""

    def __init__(self, text: str, size: int) -> None:
        self._size = size
        self._hashes = np.unique(_hashes(text, size))
        # Whether any known hash begins with these bits: one lookup excludes nearly all of a text.
        self._begins = np.zeros(1 << TABLE_BITS, dtype=bool)
        self._begins[_first_bits(self._hashes)] = True

    def regions(self, text: str) -> Iterator[tuple[int, int]]:
        """Regions of contiguous known grams: `start, stop` in characters."""
        hashes = _hashes(text, self._size)
        likely = np.flatnonzero(self._begins[_first_bits(hashes)])
        starts = likely[np.isin(hashes[likely], self._hashes)]
        if not len(starts):
            return
        breaks = np.flatnonzero(np.diff(starts) > 1)
        firsts, lasts = starts[np.append(0, breaks + 1)], starts[np.append(breaks, len(starts) - 1)]
        yield from zip(firsts.tolist(), (lasts + self._size).tolist(), strict=True)


def _hashes(text: str, size: int) -> NDArray[np.uint64]:
    """A hash for every `size` contiguous characters; equal characters have equal hashes.

    It is the sum of code point times multiplier ** -position, with positions within the gram, modulo 2**64.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    if len(codes) < size:
        return np.empty(0, np.uint64)
    up, down = _powers(len(codes))
    sums = np.append(np.uint64(0), (codes * down).cumsum())
    hashes: NDArray[np.uint64] = (sums[size:] - sums[:-size]) * up[: len(codes) - size + 1]
    return hashes


@lru_cache(maxsize=4)
def _powers(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first powers of the multiplier and of its inverse, modulo 2**64."""
    factors = np.full((2, count), [[MULTIPLIER], [pow(MULTIPLIER, -1, 1 << 64)]], np.uint64)
    factors[:, 0] = 1
    up, down = factors.cumprod(1)
    return up, down


def _first_bits(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return hashes >> np.uint64(64 - TABLE_BITS)


def _windows(pieces: Iterable[str], longest: int) -> Iterator[tuple[int, str]]:
    """Windows of a text with their offsets; neighbours overlap enough that no span is cut in both."""
    offset, shared = 0, ""
    for block in blocks(pieces, max(WINDOW, 4 * longest)):
        window = shared + block
        yield offset, window
        shared = window[len(window) - longest :] if longest else ""
        offset += len(window) - len(shared)


def _shared_spans(region: str, text: str, shortest: int) -> Iterator[tuple[int, int]]:
    """The longest parts of a region that occur in the text: `start, stop`."""
    start, stop, grown = 0, shortest, False
    while stop <= len(region):
        if region[start:stop] in text:
            stop, grown = stop + 1, True
            continue
        if grown:
            yield start, stop - 1
        start, grown = start + 1, False
        stop = max(stop, start + shortest)
    if grown:
        yield start, stop - 1


def _summed_up(text: str, found: dict[str, int], copies: str, copied: _KnownGrams, shortest: int) -> Novelty:
    """The result for one text: its parts that are equal to a found span, or inside one."""
    covered = np.zeros(len(text), dtype=bool)
    spans: list[CopiedSpan] = []
    for first, last in copied.regions(text):
        for start, stop in _shared_spans(text[first:last], copies, shortest):
            span = text[first + start : first + stop]
            offset = min(at + known.find(span) for known, at in found.items() if span in known)
            spans.append(CopiedSpan(span, first + start, offset))
            covered[first + start : first + stop] = True
    spans.sort(key=lambda span: -len(span.text))
    return Novelty(len(text), shortest, int(covered.sum()), tuple(spans))
