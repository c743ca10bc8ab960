import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from seqkit.bench.training import ENGINES, measure
from seqkit.cli import cli

SMALL = ["cell.hidden_size=8", "train.batch_size=4", "train.seq_len=20"]


@pytest.mark.ci
def test_a_recipe_with_each_engine(text_file: Path) -> None:
    (row,) = measure(["char-rnn"], data=str(text_file), overrides=SMALL, steps=2, repeats=3)
    assert row["recipe"] == "char-rnn"
    assert list(row["ms"]) == list(row["tokens_per_s"]) == list(ENGINES)
    assert list(row["ratios"]) == ["fused", "compiled"]
    for numbers in (row["ms"], row["tokens_per_s"], *row["ratios"].values()):
        assert all(number > 0 and math.isfinite(number) for number in numbers.values())


@pytest.mark.ci
def test_the_command(text_file: Path) -> None:
    small = [word for override in SMALL for word in ("--set", override)]
    arguments = [
        "bench",
        "training",
        "quickstart",
        "--data",
        str(text_file),
        "--steps",
        "1",
        "--repeats",
        "1",
        *small,
    ]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "loop / compiled (from, to)" in result.output
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert [row["recipe"] for row in json.loads(result.output)] == ["quickstart"]
