"""The runs in a folder are listed from their small files."""

import json
import os
from pathlib import Path

import pytest

import seqkit
from seqkit.run import train_seeds
from seqkit.run.claim import claim
from seqkit.run.listing import list_runs
from tests.inprocess import command


@pytest.mark.ci
def test_runs_and_seeds_are_listed(tiny_recipe: seqkit.Recipe) -> None:
    run = seqkit.train(tiny_recipe, "runs/one")
    train_seeds(tiny_recipe.override(["train.steps=2"]), 2, "runs/many")
    found = {str(each.path): each for each in list_runs(Path("runs"))}
    assert set(found) == {"runs/one", "runs/many/seed-0", "runs/many/seed-1"}
    one = found["runs/one"]
    assert (one.recipe, one.steps, one.ended_by) == ("tiny", 30, "30 steps")
    best = min(row["loss"] for row in run.metrics if row["split"] == "validation")
    assert one.best_loss == best
    assert one.size_bytes == sum(
        file.stat().st_size for file in Path("runs/one").rglob("*") if file.is_file()
    )
    shown = command("ls", "--runs")
    assert shown.returncode == 0, shown.stderr
    assert f"{best:.4f}" in shown.stdout
    rows = json.loads(command("ls", "--runs", "runs", "--json").stdout)
    assert {row["path"] for row in rows} == set(found)


def test_a_run_that_was_killed_or_damaged_is_listed_as_such(tiny_run: str) -> None:
    Path(tiny_run, "ended.json").unlink()
    (run,) = list_runs(Path.cwd())
    assert run.ended_by == "was stopped"
    with claim(tiny_run, "tiny", resume=True):
        assert list_runs(Path.cwd())[0].ended_by == "is being written"
    Path(tiny_run, ".claim.json").write_text(json.dumps({"process": os.getpid(), "host": "x", "since": "y"}))
    Path(tiny_run, ".lock").touch()  # its holder was killed
    assert list_runs(Path.cwd())[0].ended_by == "was stopped"
    Path(tiny_run, "provenance.json").write_text("[]")
    (run,) = list_runs(Path.cwd())
    assert run.ended_by.startswith("damaged: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--runs", "nowhere"), "there are no runs in nowhere"), (("runs",), "is for --runs")],
)
def test_mistakes_are_errors(workdir: Path, arguments: tuple[str, ...], said: str) -> None:
    done = command("ls", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
