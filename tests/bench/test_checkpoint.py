import json
from pathlib import Path

import pytest

from seqkit.bench.checkpoint import measure
from tests.inprocess import command

SMALL = ["cell.hidden_size=8", "train.batch_size=4", "train.seq_len=20"]


@pytest.mark.ci
def test_the_shares_are_those_of_the_saves(text_file: Path) -> None:
    (row,) = measure(["char-rnn"], data=str(text_file), overrides=SMALL, seconds=1.5, folder=".")
    assert row["saves"] >= 1
    assert 0 < row["share_at_60_s"] < 0.01
    assert row["share"] == pytest.approx(row["saves"] * row["save_ms"] / 1500, rel=1)
    assert not [*Path(".").glob("tmp*")]


@pytest.mark.ci
def test_the_command(text_file: Path) -> None:
    small = [word for override in SMALL for word in ("--set", override)]
    done = command("bench", "checkpoint", "char-rnn", "--data", str(text_file), "--seconds", "1", *small)
    assert done.returncode == 0, done.stderr
    assert "as often as it may" in done.stdout
    done = command(
        "bench", "checkpoint", "char-rnn", "--data", str(text_file), "--seconds", "1", "--json", *small
    )
    assert json.loads(done.stdout)[0]["recipe"] == "char-rnn"
