from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from seqkit.plots import plot_calibration, plot_errors, plot_forecast, plot_loss, plot_returns


def test_the_picture_is_a_png_with_or_without_validation(workdir: Path) -> None:
    rows = [
        {"step": i, "split": split, "loss": 3.0 / i} for i in range(1, 9) for split in ("train", "validation")
    ]
    sizes = []
    for name, chosen in (("both.png", rows), ("train.png", rows[::2])):
        plot_loss(chosen, workdir / name, "a title")
        data = (workdir / name).read_bytes()
        assert data.startswith(b"\x89PNG")
        sizes.append(len(data))
    assert sizes[0] > sizes[1]


class TestSeries:
    """What the pictures show is read back from matplotlib's own axes, since a PNG cannot be read."""

    def test_the_fan_begins_at_the_last_price(self, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        figures = keep_figures(monkeypatch)
        dates, prices = np.datetime64("2020-01-01") + np.arange(10), np.arange(10.0) + 1
        ahead = {"price": [11, 12], "0.05": [9, 8], "0.25": [10, 10], "0.75": [12, 13], "0.95": [13, 15]}
        plot_forecast(dates, prices, (prices - 1, prices + 1), ahead, workdir / "a.png", "$AB")
        (axes,) = figures[0].axes
        assert axes.get_title() == "$AB"
        assert axes.lines[0].get_ydata().tolist() == prices.tolist()
        assert axes.lines[1].get_xydata().tolist() == [[9, 10], [10, 11], [11, 12]]
        assert len(axes.collections) == 3
        plot_forecast(dates, prices, None, {"price": [11]}, workdir / "b.png", "a point")
        assert len(figures[1].axes[0].collections) == 0

    def test_returns_in_percent(self, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        figures = keep_figures(monkeypatch)
        plot_returns(np.array([0.001, 0.0]), np.array([-0.02, 0.01]), workdir / "a.png", "AB")
        points = figures[0].axes[0].collections[0].get_offsets()
        np.testing.assert_allclose(points, [[0.1, -2], [0, 1]])

    def test_a_calibrated_forecast_lies_on_the_diagonal(
        self, workdir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        figures = keep_figures(monkeypatch)
        plot_calibration({"model": [0.25, 0.75]}, workdir / "a.png", "AB")
        _, model = figures[0].axes[0].lines
        np.testing.assert_allclose(model.get_xydata(), [[0.25, 0.25], [0.75, 0.75]])

    def test_errors_are_summed_up(self, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        figures = keep_figures(monkeypatch)
        dates = np.datetime64("2020-01-01") + np.arange(3)
        plot_errors(dates, {"naive's": np.array([0.01, -0.03, 0.0])}, workdir / "a.png", "AB")
        np.testing.assert_allclose(figures[0].axes[0].lines[0].get_ydata(), [1, -2, -2])


def keep_figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved from here on."""
    kept: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        kept.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept
