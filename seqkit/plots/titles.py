"""Titles that fit into their picture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

SIZE = 11
"""Font size in points."""
MAX_LINES = 3
_SHARE = 0.84
"""Share of a figure's width for a title, which is centred over its axes; these have numbers on the left."""


def set_title(axes: Any, title: str) -> None:  # matplotlib's own types do not say what axes.figure is
    """Set the title of a panel that is as wide as its figure; a "$" in it is a dollar sign, not a formula."""
    axes.set_title(wrapped(title, axes.figure), parse_math=False, fontsize=SIZE)


def wrapped(title: str, figure: Figure) -> str:
    """A title in lines that fit into the figure; the middle of a long one is left out."""
    room = figure.get_figwidth() * 72 * _SHARE
    lines = list(_lines(title, room))
    if len(lines) > MAX_LINES:
        # The end names what is shown; the beginning is often a list of symbols.
        last = next(_lines(title[::-1], room))[::-1]
        cut = next(_lines(lines[MAX_LINES - 2], room - _width(" …"))) + " …"
        lines = [*lines[: MAX_LINES - 2], cut, last]
    return "\n".join(lines)


def _lines(text: str, room: float) -> Iterator[str]:
    """Lines of at most `room` points, broken at spaces, or anywhere in a word that is longer."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if _width(longer) <= room:
            line = longer
            continue
        if line:
            yield line
        while _width(word) > room:
            end = next(end for end in range(len(word), 0, -1) if _width(word[:end]) <= room)
            yield word[:end]
            word = word[end:]
        line = word
    if line:
        yield line


def _width(text: str) -> float:
    return sum(map(_width_of_character, text))


@cache
def _width_of_character(character: str) -> float:
    """Width in points: that of two minus that of one, since a space at an end has no width."""
    one, two = (
        TextToPath().get_text_width_height_descent(
            f"|{character * count}|", FontProperties(size=SIZE), ismath=False
        )[0]
        for count in (1, 2)
    )
    return float(two - one)
