import logging
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from seqkit.errors import OutOfRangeError
from seqkit.inference import States, picture
from seqkit.inference.fonts import font_for
from seqkit.inference.picture import COLUMNS, draw_text


def drawn(text: str, values: list[float] | None = None) -> np.ndarray:
    """The pixels of the picture, `(height, width, channels)`."""
    numbers = np.zeros(len(text)) if values is None else np.array(values)
    draw_text(tuple(text), numbers.astype(np.float32), Path("text.png"), "unit 0 of layer 0")
    return imread("text.png")


def rows_of(text: str) -> list[str]:
    rows = picture._rows(tuple(text), np.zeros(len(text), np.float32))
    return ["".join(character for character, _ in row) for row in rows]


def middle_of(image: np.ndarray, column: int, row: int) -> np.ndarray:
    """The colour in the upper left of a cell, where there is no letter."""
    inch = picture.DPI
    x = (2 + column + 0.15) * picture.CELL_INCHES * inch
    y = (picture.HEADER + 0.5 + row + 0.08) * picture.ROW_INCHES * inch
    return image[round(y), round(x), :3]


def test_negative_is_blue_zero_is_white_and_positive_is_red(workdir: Path) -> None:
    image = drawn("abc\nd", [-2.0, 0.0, 2.0, 0.0, 1.0])
    red, _, blue = middle_of(image, 0, 0)
    assert blue > red + 0.3
    assert (middle_of(image, 1, 0) > 0.98).all()
    red, _, blue = middle_of(image, 2, 0)
    assert red > blue + 0.3
    half = middle_of(image, 0, 1)  # the second row
    assert half[0] > half[2]
    assert half[2] > blue


def test_rows_end_at_a_line_end_or_a_space_and_hold_ninety_columns() -> None:
    text = "word " * 40 + "\n" + "x" * 200 + "\r\n\n" + "中" * 60
    rows = rows_of(text)
    assert "".join(rows) == text
    assert rows[0] == "word " * 18
    assert [len(row) for row in rows[3:6]] == [90, 90, 22]
    assert rows[6] == "\n"
    assert rows[7] == "中" * 45  # they are two columns wide
    assert all(sum(map(picture._width, row.rstrip("\r\n"))) <= COLUMNS for row in rows)


def test_what_has_no_font_is_shown_by_its_code_point(
    workdir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "DejaVuSansMono" in font_for("a").name
    with_font = drawn("ab中\0")
    monkeypatch.setattr(picture, "font_for", lambda text: font_for(text) if text.isascii() else None)
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        image = drawn("ab中\0")
    assert image.shape == with_font.shape
    assert (image[:, :, :3] < 0.5).any()
    assert caplog.text.count("no installed font has 中: code points are shown") == 1


def test_any_text_can_be_drawn(workdir: Path) -> None:
    """A warning of matplotlib, such as for a missing glyph, would fail the test."""
    text = (
        "tab\there, $x_1^2$ \\frac\n日本語 Ёж e\u0301 👩\u200d👧 ❤\ufe0f \u200d \x1b\0\x85 \ud800 عربي\r\n\n"
    )
    assert drawn(text).shape[2] in (3, 4)
    assert Path("text.png").read_bytes().startswith(b"\x89PNG")


def test_a_unit_that_is_zero_everywhere_is_drawn(workdir: Path) -> None:
    States(("a", "b"), np.zeros((2, 1), np.float32), 0).plot(0, "zero.png")
    assert Path("zero.png").exists()


def test_too_long_a_text_is_an_error(workdir: Path) -> None:
    for text in ("a" * 10_001, "\n" * 501):
        with pytest.raises(
            OutOfRangeError, match=r"a picture has room for 10,000 characters, and 500 rows of 90;"
        ):
            drawn(text)
    assert not Path("text.png").exists()
