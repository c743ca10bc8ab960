import json

import pytest
from click.testing import CliRunner

from seqkit.bench.controls import PHI, _best_rmse
from seqkit.cli import cli

pytestmark = pytest.mark.ci


def test_the_best_forecast_of_an_ar1_is_known() -> None:
    assert PHI == 0.5
    assert _best_rmse(20_000, 0, 10_000) == pytest.approx(0.01, rel=0.02)


def test_both_processes_are_reported() -> None:
    arguments = ["bench", "controls", "--rows", "400", "--series", "1", "--walks", "1", "--json"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    found = json.loads(result.stdout)
    (row,) = found["ar1"]
    assert row["naive_over_best"] > 1
    assert sum(found["random_walk"].values()) == 1
    assert CliRunner().invoke(cli, arguments[:-1], catch_exceptions=False).output.count("ar1, seed 0") == 1
