import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from seqkit.bench.prices import write_prices
from seqkit.cli import cli
from seqkit.sources import read_prices


@pytest.mark.parametrize(("form", "symbols"), [("single", 1), ("long", 3)])
def test_the_generated_files_are_read_as_pandas_reads_them(form: str, symbols: int) -> None:
    path = write_prices(Path("prices.csv"), 12_000, form)
    table = read_prices(path)
    assert (table.rows, len(table.symbols)) == (12_000, symbols)
    expected = pd.read_csv(path)["Close"].to_numpy()
    np.testing.assert_array_equal(
        np.concatenate([table.prices(symbol) for symbol in table.symbols]), expected
    )
    assert path.read_bytes() == write_prices(Path("again.csv"), 12_000, form).read_bytes()


def test_both_readers_are_timed_in_turn() -> None:
    arguments = ["bench", "prices", "--rows", "500", "--repeats", "2"]
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    rows = json.loads(result.stdout)
    assert [row["form"] for row in rows] == ["single", "long"]
    for row in rows:
        assert set(row["seconds"]) == {"pandas", "seqkit"}
        assert all(math.isfinite(row[name]) and row[name] > 0 for name in ("ratio_min", "ratio", "ratio_max"))
    assert "ratio (from, to)" in CliRunner().invoke(cli, arguments, catch_exceptions=False).stdout
