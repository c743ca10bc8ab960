"""Speed of reading prices, compared with pandas on the same file in the same process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from seqkit.sources import read_prices

DAYS = 5000
"""Rows per symbol in the file with many symbols."""


def measure(rows: int = 1_000_000, *, repeats: int = 5, seed: int = 0) -> list[dict[str, Any]]:
    """Read generated files alternately with `pandas.read_csv(parse_dates=...)` and with `read_prices`.

    One file has the minutes of a single symbol, the other the days of many symbols, one after the other.

    Returns:
        A row for each file: the medians of the seconds, and of the ratios of the two readers in each turn.
    """
    import pandas as pd

    results = []
    with tempfile.TemporaryDirectory() as folder:
        for form in ("single", "long"):
            path = write_prices(Path(folder, f"{form}.csv"), rows, form, seed)
            readers: dict[str, Callable[[], Any]] = {
                "pandas": partial(pd.read_csv, path, parse_dates=["Date"]),
                "seqkit": partial(read_prices, path),
            }
            seconds: dict[str, list[float]] = {reader: [] for reader in readers}
            for _ in range(repeats):
                for reader, read in readers.items():
                    began = time.perf_counter()
                    read()
                    seconds[reader].append(time.perf_counter() - began)
            ratios = [
                ours / theirs for ours, theirs in zip(seconds["seqkit"], seconds["pandas"], strict=True)
            ]
            results.append(
                {
                    "form": form,
                    "rows": rows,
                    "megabytes": path.stat().st_size / 1e6,
                    "repeats": repeats,
                    "seconds": {reader: statistics.median(taken) for reader, taken in seconds.items()},
                    "ratio": statistics.median(ratios),
                    "ratio_min": min(ratios),
                    "ratio_max": max(ratios),
                }
            )
    return results


def write_prices(path: Path, rows: int, form: str, seed: int = 0) -> Path:
    """Write a random walk with open, high, low, close and volume as a CSV file."""
    import pandas as pd

    draw = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 1e-3, rows)))
    frame = pd.DataFrame(
        {
            "Date": pd.date_range("1990-01-01", periods=rows, freq="min").strftime("%Y-%m-%d %H:%M:%S"),
            "Open": close * np.exp(draw.normal(0, 1e-3, rows)),
            "High": close * 1.01,
            "Low": close * 0.99,
            "Close": close,
            "Volume": draw.integers(1_000, 10_000_000, rows),
        }
    ).round(4)
    if form == "long":
        days = pd.date_range("1990-01-01", periods=DAYS).strftime("%Y-%m-%d")
        frame["Date"] = np.resize(np.asarray(days), rows)
        frame["Symbol"] = [f"S{row // DAYS}" for row in range(rows)]
    frame.to_csv(path, index=False)
    return path
