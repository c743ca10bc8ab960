"""Fonts for any script: those of matplotlib, and other installed fonts."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import matplotlib as mpl
from matplotlib.font_manager import fontManager, get_font


@cache
def font_for(text: str) -> Path | None:
    """The file of a font that has every character of the text; None if there is none.

    Monospaced and regular fonts are preferred.
    """
    for path in _files():
        try:
            font = get_font(path)
        except (OSError, RuntimeError):
            continue  # it was removed after matplotlib listed it
        if font.scalable and all(font.get_char_index(ord(character)) for character in text):
            return path
    return None


def inked(text: str) -> str:
    """A character without joiners and variant selectors, which many fonts lack."""
    shown = [
        character
        for character in text
        if unicodedata.category(character) != "Cf" and not 0xFE00 <= ord(character) <= 0xFE0F
    ]
    return "".join(shown) or text


@cache
def _files() -> tuple[Path, ...]:
    """Every font file, the most suitable first; of matplotlib's own fonts, only the text fonts."""
    own = Path(mpl.get_data_path())
    entries = [
        entry
        for entry in fontManager.ttflist
        if entry.name.startswith("DejaVu Sans") or not Path(entry.fname).is_relative_to(own)
    ]
    entries.sort(
        key=lambda entry: (
            entry.name != "DejaVu Sans Mono",
            entry.style != "normal",
            entry.weight not in (400, "normal", "regular"),
            "Mono" not in entry.name,
            entry.name,
        )
    )
    return tuple(Path(entry.fname) for entry in entries)
