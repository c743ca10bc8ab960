import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from seqkit import resources
from seqkit.cli import cli
from seqkit.planning import timing
from tests.cli.test_cli import QUICK, command


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TIMED_S", 0.0)


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["run", *arguments, "--plan"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(output: str) -> dict[str, str]:
    """The table, by its labels."""
    lines = output.partition("\n\n")[0].splitlines()
    return {label: value for label, _, value in (line.partition("  ") for line in lines)}


def test_it_prints_what_training_would_take_and_makes_no_run(text_file: Path, workdir: Path) -> None:
    output = invoke("quickstart", "--data", str(text_file), *QUICK)
    table = {label: value.strip() for label, value in rows(output).items()}
    assert table["cell"] == "rnn, on cpu, engine fused, 1 thread"
    assert table["budget"] == "20 steps: 20 steps, 0.19 epochs"
    assert "tokens/s, " in table["speed"]
    assert table["evaluations"].endswith("s, 2 of them")
    assert table["train"].endswith(" characters")
    assert " MB for the training, " in table["memory"]
    assert table["checkpoint"].endswith("on disk; a run keeps two, and the best weights")
    assert "\n- tiny data: " in output
    assert "\nSizes for this text: cell.hidden_size=16 model.dropout=0.0 train.batch_size=8 " in output
    assert output.endswith("Nothing was trained, and no run was made.\n")
    assert [path.name for path in workdir.iterdir()] == ["my.txt"]


@pytest.mark.ci
def test_its_proposals_can_be_pasted(text_file: Path) -> None:
    large = ["~train.minutes", "train.epochs=300", "train.batch_size=64"]
    output = invoke("quickstart", "--data", str(text_file), *large)
    changes = next(line for line in output.splitlines() if line.startswith("To change: ")).split()[2:]
    assert {"train.patience=10", "train.batch_size=4", "data.split=0.8,0.1,0.1"} <= set(changes)
    changed = invoke("quickstart", "--data", str(text_file), *large, *changes)
    assert " train.batch_size=4 " in changed
    assert "To change: " not in changed
    assert ", or fewer by patience" in changed


def test_json_is_one_document(text_file: Path) -> None:
    done = command("run", "quickstart", "--data", str(text_file), *QUICK, "--plan", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["recipe"], found["engine"]) == ("quickstart", "fused")
    assert found["expected"]["steps"] == 20
    assert found["warnings"][0].startswith("tiny data: ")
    assert not Path("runs").exists()


def test_the_time_of_several_seeds(text_file: Path) -> None:
    assert "\n3 seeds " in invoke("quickstart", "--data", str(text_file), "--seeds", "3", *QUICK)


def test_memory_that_the_system_does_not_report_is_unknown(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "peak_is_known", lambda: False)
    monkeypatch.setattr(resources, "available", lambda: None)
    assert rows(invoke("quickstart", "--data", str(text_file), *QUICK))["memory"].strip() == "unknown"


def test_a_mistake_is_the_same_error_as_in_run(text_file: Path) -> None:
    Path("short.txt").write_text("abc\n")
    done = command("run", "quickstart", "--data", "short.txt", "--plan")
    assert done.returncode == 2
    assert "less than one window of train.seq_len = 100" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
