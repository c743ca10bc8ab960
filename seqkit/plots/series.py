"""Pictures of forecasts, from plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seqkit.plots.titles import set_title
from seqkit.plots.writing import write

Floats = NDArray[np.float64]

MODEL, OTHER, FACT = "#c0392b", "#7d9cb8", "#333333"


def plot_forecast(
    dates: NDArray[np.datetime64],
    prices: Floats,
    bands: tuple[Floats, Floats] | None,
    ahead: Mapping[str, Sequence[float]],
    path: Path,
    title: str,
) -> None:
    """Plot the last prices, the interval of each as forecast one row before, and the fan after the last one.

    Args:
        dates: dates of the rows, `(rows,)`.
        prices: the actual prices.
        bands: the ends of the 90 % interval of each price, as forecast one row before; NaN before the test.
        ahead: `price` and, if there are intervals, `0.05, 0.25, 0.75, 0.95`, for each row ahead.
        path: file to write.
        title: title, with the symbol.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(prices))
    if bands is not None:
        axes.fill_between(rows, *bands, color=OTHER, alpha=0.35, linewidth=0, label="90 %, one row ahead")
    axes.plot(rows, prices, color=FACT, linewidth=1.2, label="price")
    beyond = len(prices) - 1 + np.arange(len(ahead["price"]) + 1)
    last = [prices[-1]]
    for low, high, alpha in (("0.05", "0.95", 0.2), ("0.25", "0.75", 0.35)):
        if low in ahead:
            fan = [*last, *ahead[low]], [*last, *ahead[high]]
            axes.fill_between(beyond, *fan, color=MODEL, alpha=alpha, linewidth=0)
    axes.plot(
        beyond,
        [*last, *ahead["price"]],
        color=MODEL,
        marker=".",
        label="forecast, 50 % and 90 %" if "0.05" in ahead else "forecast",
    )
    ticks = np.linspace(0, len(prices) - 1, 5).astype(int)
    form = _date_form(dates)
    axes.set_xticks(ticks, [date.astype("datetime64[s]").item().strftime(form) for date in dates[ticks]])
    axes.set(ylabel="price")
    set_title(axes, title)
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize=8)
    write(figure, path)


def plot_returns(forecast: Floats, actual: Floats, path: Path, title: str) -> None:
    """Plot actual over forecast log returns, in percent; a good forecast is near the line."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(100 * forecast, 100 * actual, s=6, color=MODEL, alpha=0.5, linewidth=0)
    reach = 100 * float(np.abs([forecast, actual]).max())
    axes.plot([-reach, reach], [-reach, reach], color=OTHER, linewidth=1, label="actual = forecast")
    axes.axvline(0, color=FACT, linewidth=0.8, label="no change (the last value)")
    axes.set(
        xlabel="forecast (% log return)",
        ylabel="actual (% log return)",
        xlim=(-reach, reach),
        ylim=(-reach, reach),
    )
    set_title(axes, title)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8)
    write(figure, path)


def plot_calibration(shares: Mapping[str, Sequence[float]], path: Path, title: str) -> None:
    """Plot the share of actual values below each quantile; a calibrated distribution is on the diagonal."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    labels = {"model": "model", "constant": "normal, constant volatility", "ewma": "normal, EWMA volatility"}
    styles = {"model": (MODEL, 2.0), "constant": (OTHER, 1.2), "ewma": (FACT, 1.2)}
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1)
    for name, found in shares.items():
        levels = (np.arange(len(found)) + 0.5) / len(found)
        color, width = styles[name]
        axes.plot(levels, found, color=color, linewidth=width, label=labels[name])
    axes.set(xlabel="level of the quantile", ylabel="share of rows below it", xlim=(0, 1), ylim=(0, 1))
    set_title(axes, title)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8)
    write(figure, path)


def plot_errors(
    dates: NDArray[np.datetime64], differences: Mapping[str, Floats], path: Path, title: str
) -> None:
    """Plot the model's loss minus another's, summed over time: while a line falls, the model is better.

    Args:
        dates: dates of the rows, ascending.
        differences: differences by the name of the other forecast, `(rows,)`, in log return.
        path: file to write.
        title: title, which says what was forecast.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    for index, (name, values) in enumerate(differences.items()):
        axes.plot(dates, 100 * values.cumsum(), color=(MODEL, OTHER, FACT)[index % 3], label=name)
    axes.axhline(0, color="#bbbbbb", linewidth=1)
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=8))  # type: ignore[no-untyped-call]  # untyped
    axes.xaxis.set_major_formatter(DateFormatter(_date_form(dates)))  # type: ignore[no-untyped-call]  # untyped
    axes.set(ylabel="summed difference (% log return)")
    set_title(axes, title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    write(figure, path)


def _date_form(dates: NDArray[np.datetime64]) -> str:
    """Format of the dates at an axis: with the time of day if any of them has one."""
    timed = bool(np.any(dates != dates.astype("datetime64[D]")))
    return "%Y-%m-%d\n%H:%M" if timed else "%Y-%m-%d"
