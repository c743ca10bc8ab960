from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
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
    """The content of the pictures is read from matplotlib's own axes, since a PNG cannot be read."""

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

    def test_dates_below_an_axis_have_hours_if_the_rows_have(
        self, workdir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        figures = keep_figures(monkeypatch)
        hours = np.datetime64("2024-01-01T05", "s") + np.arange(20) * np.timedelta64(1, "h")
        days = np.datetime64("2024-01-01") + np.arange(20)
        for dates in (hours, days):
            plot_forecast(dates, np.arange(20.0) + 1, None, {"price": [21]}, workdir / "a.png", "A")
            plot_errors(dates, {"naive's": np.arange(20.0)}, workdir / "b.png", "A")
        labels = [
            [label.get_text() for label in figure.axes[0].get_xticklabels() if label.get_text()]
            for figure in figures
        ]
        assert labels[0][0] == "2024-01-01\n05:00"
        assert labels[0][-1] == "2024-01-02\n00:00"
        assert "2024-01-01\n06:00" in labels[1]
        assert labels[2][0] == "2024-01-01"
        assert all(len(label) == len("2024-01-01") for label in labels[3])

    @pytest.mark.parametrize(
        "title",
        [
            pytest.param("AAPL: forecast after 2021-05-14", marks=pytest.mark.ci),
            pytest.param(
                ", ".join(f"SYM{number}" for number in range(30)) + ": +1 session, test split",
                marks=pytest.mark.ci,
            ),
            ", ".join(f"SYM{number}" for number in range(500)) + ": +1 session, test split",
            pytest.param("W" * 60 + ": forecast after 2021-05-14", marks=pytest.mark.ci),
            "the-file-of-prices-that-someone-downloaded-" * 6 + ": forecast after 2021-05-14T15:00:00",
        ],
    )
    def test_a_title_is_inside_its_picture(
        self, workdir: Path, monkeypatch: pytest.MonkeyPatch, title: str
    ) -> None:
        figures = keep_figures(monkeypatch)
        dates = np.datetime64("2020-01-01") + np.arange(3)
        plot_forecast(dates, np.arange(3.0) + 1, None, {"price": [11]}, workdir / "a.png", title)
        plot_returns(np.array([0.001, 0.0]), np.array([-0.02, 0.01]), workdir / "a.png", title)
        plot_calibration({"model": [0.25, 0.75]}, workdir / "a.png", title)
        plot_errors(dates, {"naive's": np.array([0.01, -0.03, 0.0])}, workdir / "a.png", title)
        plot_loss([{"step": 1, "split": "train", "loss": 1.0}], workdir / "a.png", title)
        for figure in figures:
            FigureCanvasAgg(figure).draw()
            (axes,) = figure.axes
            box, picture = axes.title.get_window_extent(), figure.bbox
            assert box.x0 >= picture.x0
            assert box.x1 <= picture.x1
            assert box.y1 <= picture.y1
            shown = "".join(axes.get_title().split())
            assert shown[:10] == "".join(title.split())[:10]
            assert shown[-20:] == "".join(title.split())[-20:]
            assert axes.get_title().count("\n") <= 2

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

    @pytest.mark.parametrize(
        "dates",
        [np.datetime64("2016-05") + np.arange(44), np.datetime64("2023-04-01T00") + np.arange(533)],
        ids=["months", "hours"],
    )
    def test_the_dates_of_any_step_have_ticks(
        self, dates: Any, workdir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Matplotlib warns if it finds no interval for them, and warnings are errors here."""
        figures = keep_figures(monkeypatch)
        plot_errors(dates.astype("datetime64[s]"), {"drift": np.ones(len(dates))}, workdir / "a.png", "AB")
        assert 3 <= len(figures[0].axes[0].get_xticks()) <= 9


def keep_figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved from here on."""
    kept: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        kept.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept
