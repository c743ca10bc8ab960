"""Draw a text as a picture, with a background colour for each token: the "interpretable cells" of char-rnn.

    a cell is one character wide and one row high; wide characters, such as Chinese, take two cells

    T·h·e·  ↵        a space is a dot, a line end is ↵, a tab is an arrow of four cells

Source: Karpathy, Johnson and Li (2015), "Visualizing and understanding recurrent networks".
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seqkit.errors import OutOfRangeError
from seqkit.inference.fonts import font_for, inked
from seqkit.inference.spelling import clusters, whole_characters

logger = logging.getLogger(__name__)

COLUMNS = 90
MAX_CHARACTERS = 10_000
MAX_ROWS = 500
BREAK_WITHIN = 20
"""A row ends at a space if there is one in this number of characters at its end."""

CELL_INCHES, ROW_INCHES, DPI = 0.094, 0.205, 150
FONT_SIZE = 10.2
HEADER = 2.4  # rows above the text
SIGNS = {" ": "·", "\n": "↵", "\r\n": "↵", "\t": "→"}
INK, PAPER = "#1b1b1b", "#ffffff"
COLORS = LinearSegmentedColormap.from_list("cells", ["#2364aa", "#8fb8de", PAPER, "#f2a48f", "#c1272d"])


class Cell(NamedTuple):
    """A character and its position."""

    text: str
    value: float
    column: int
    row: int
    width: int


def draw_text(tokens: Sequence[str], values: NDArray[np.float32], path: Path, title: str) -> None:
    """Write the picture as a PNG file.

    Args:
        tokens: the tokens; joined, they are the text.
        values: value of each token; the colour scale is symmetric, up to the largest absolute value.
        path: path of the file.
        title: title of the picture.
    Raises:
        OutOfRangeError: see `require_room`.
    """
    require_room(sum(map(len, tokens)))
    cells = [cell for number, row in enumerate(_rows(tokens, values)) for cell in _placed(row, number)]
    rows = cells[-1].row + 1
    require_room(len(cells), rows)
    limit = float(np.abs(values).max()) or 1.0
    columns = max(60, *(cell.column + cell.width for cell in cells))
    figure = Figure(figsize=((columns + 4) * CELL_INCHES, (rows + HEADER + 1) * ROW_INCHES), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-2, columns + 2), ylim=(rows + 0.5, -HEADER - 0.5))
    axes.set_axis_off()
    _draw_header(axes, columns, limit, title)
    colors = COLORS([(cell.value / limit + 1) / 2 for cell in cells])
    _draw_boxes(axes, [_box(cell.column, cell.row, cell.width) for cell in cells], colors)
    missing: dict[str, None] = {}
    for cell, color in zip(cells, colors, strict=True):
        is_dark = float(color[:3] @ (0.299, 0.587, 0.114)) < 0.55
        if not _draw_character(axes, cell, PAPER if is_dark else INK):
            missing[cell.text] = None
    if named := [text for text in missing if inked(text).isprintable()]:
        logger.warning(
            "no installed font has %s: code points are shown. Install a font that has them, such as Noto "
            "Sans CJK.",
            " ".join(named[:8]) + (" ..." if len(named) > 8 else ""),
        )
    figure.savefig(path, format="png", facecolor=PAPER)


def require_room(characters: int, rows: int = 0) -> None:
    """Raise OutOfRangeError if a text has more than 10,000 characters, or 500 rows of 90 columns."""
    if characters > MAX_CHARACTERS or rows > MAX_ROWS:
        raise OutOfRangeError(
            f"a picture has room for {MAX_CHARACTERS:,} characters, and {MAX_ROWS} rows of {COLUMNS}; the "
            "text has more.\n"
            "  Give a part of it: head -c 5000 my.txt | seqkit states DIR - --out states.png"
        )


def _rows(tokens: Sequence[str], values: NDArray[np.float32]) -> Iterator[list[tuple[str, float]]]:
    """Characters and their values; a character of several tokens has the value of the last."""
    row: list[tuple[str, float]] = []
    width = stop = 0
    for text, count in whole_characters(tokens):
        stop += count
        for character in clusters(text):
            if width + _width(character) > COLUMNS:
                cut = _last_space(row)
                yield row[:cut]
                row = row[cut:]
                width = sum(_width(moved) for moved, _ in row)
            row.append((character, float(values[stop - 1])))
            width += _width(character)
            if character in ("\n", "\r\n"):
                yield row
                row, width = [], 0
    if row:
        yield row


def _last_space(row: Sequence[tuple[str, float]]) -> int:
    """Length of a row that is cut at a space; the full length if there is no space near its end."""
    places = range(len(row), max(len(row) - BREAK_WITHIN, 0), -1)
    return next((place for place in places if row[place - 1][0] == " "), len(row))


def _placed(row: Sequence[tuple[str, float]], number: int) -> Iterator[Cell]:
    column = 0
    for text, value in row:
        yield Cell(text, value, column, number, _width(text))
        column += _width(text)


def _width(cluster: str) -> int:
    if cluster == "\t":
        return 4
    wide = any(
        unicodedata.east_asian_width(character) in "WF" or character == "\ufe0f" for character in cluster
    )
    return 2 if wide else 1


def _box(left: float, top: float, width: float, height: float = 1.0) -> list[tuple[float, float]]:
    return [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]


def _draw_header(axes: Axes, columns: int, limit: float, title: str) -> None:
    """Draw the title and the colour scale."""
    axes.text(0, -HEADER + 0.9, title, size=11, color=INK, weight="bold", parse_math=False)
    steps, width = 60, 24.0
    left = columns - width - 5
    boxes = [_box(left + width * i / steps, -HEADER + 0.15, width / steps, 0.9) for i in range(steps)]
    _draw_boxes(axes, boxes, COLORS(np.linspace(0, 1, steps)))
    for place, value in ((left - 0.6, -limit), (left + width + 0.6, limit)):
        axes.text(
            place, -HEADER + 0.9, f"{value:+.2f}", size=8, color=INK, ha="right" if value < 0 else "left"
        )


def _draw_boxes(axes: Axes, boxes: Sequence[Sequence[tuple[float, float]]], colors: NDArray[Any]) -> None:
    axes.add_collection(PolyCollection(boxes, facecolors=colors, edgecolors="none", antialiased=False))


def _draw_character(axes: Axes, cell: Cell, ink: str) -> bool:
    """Draw a character; if no font has it, draw its code point and return False."""
    x, y = cell.column + cell.width / 2, cell.row + 0.74
    shown = inked(SIGNS.get(cell.text, cell.text))
    font = font_for(shown)
    if font is None:
        code = f"{ord(shown[0]):04X}"
        axes.text(x, y, f"{code[:-2]}\n{code[-2:]}", size=4, color=ink, ha="center", linespacing=0.9)
        return False
    alpha = 0.45 if cell.text in SIGNS else 1.0
    axes.text(x, y, shown, size=FONT_SIZE, color=ink, alpha=alpha, font=font, ha="center", parse_math=False)
    return True
