"""A text in colours: each token on a scale from plain to red, by its bits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate, pairwise

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from seqkit.inference import ScoredBlock
from seqkit.inference.spelling import token_texts, whole_characters
from seqkit.tokenizers import Tokenizer

# Those of the 256 standard terminal colours that are legible on both black and white.
COLORS = (None, "color(138)", "color(167)", "color(203)", "color(196)")
TOP_LEVEL = len(COLORS) - 1
UNKNOWN = Style(reverse=True)
CONTROL_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
CONTROL_PICTURES |= {0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}
"""The character shown for each control character (see `str.translate`)."""
SIGNS = {"\n": "↵", "\t": "→"}


class SurprisalScale:
    """The colours for a vocabulary: red starts at the bits of a uniform guess among its tokens.

    Args:
        tokenizer: the tokenizer of the model.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._top = max(math.log2(tokenizer.vocab_size), 1.0)
        self._console = Console(force_terminal=True, color_system="256", no_color=False)

    def print_legend(self) -> None:
        """Print a line that shows the range of bits of each colour."""
        edges = [f"{self._top * level / TOP_LEVEL:.1f}" for level in range(TOP_LEVEL + 1)]
        names = [*(f"{low} to {high}" for low, high in pairwise(edges)), f"{edges[-1]} and more"]
        parts = [Segment("bits of a token: ")]
        for level, name in enumerate(names):
            parts += [Segment(name, _ink(level)), Segment("  ")]
        self._print([*parts, Segment("unknown", UNKNOWN), Segment("\n\n")])

    def print_text(self, block: ScoredBlock) -> None:
        """Print the text of a scored block unchanged, except for control characters."""
        texts = token_texts(self._tokenizer, block.text, block.ids)
        costs = [0.0, *accumulate(block.bits.tolist())]
        unknown = [token_id == self._tokenizer.unknown_id for token_id in block.ids.tolist()]
        parts: list[Segment] = []
        start = 0
        for text, tokens in whole_characters(texts):
            stop = start + tokens
            level = min(int((costs[stop] - costs[start]) / self._top * TOP_LEVEL), TOP_LEVEL)
            parts += _shown(text, UNKNOWN if any(unknown[start:stop]) else _ink(level))
            start = stop
        self._print(parts)

    def _print(self, parts: list[Segment]) -> None:
        self._console.print(Segments(Segment.simplify(parts)), end="", soft_wrap=True)


def _ink(level: int) -> Style | None:
    return Style(color=COLORS[level], bold=level == TOP_LEVEL) if level else None


def _shown(text: str, ink: Style | None) -> Iterator[Segment]:
    """The segments of a text. White space has no ink, so a surprising space gets a coloured background.

    A line end or a tab gets a coloured sign.
    """
    if ink is None or not text.isspace():
        yield Segment(text.translate(CONTROL_PICTURES), ink)
        return
    for character in text:
        if character in SIGNS:
            yield from (Segment(SIGNS[character], ink), Segment(character))
        else:
            yield Segment(character, ink + Style(reverse=True))
