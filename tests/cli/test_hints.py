"""A mistyped command is answered with the command that was probably meant."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import seqkit
from seqkit.cli import cli
from seqkit.errors import SeqkitError


def said(*arguments: str) -> str:
    """The lines of the error, as `main` prints them."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code != 0
    if not isinstance(result.exception, SeqkitError):
        assert result.exit_code == 2, result.exception
        return result.stderr.partition("\nError: ")[2].strip()
    return "\n".join([str(result.exception), *getattr(result.exception, "__notes__", ())])


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("train", "quickstart", "train.steps=5"), "Did you mean: seqkit run quickstart train.steps=5"),
        (("trian", "quickstart"), "Did you mean: seqkit run quickstart"),
        (("sample", "runs/a", "The "), "Did you mean: seqkit generate runs/a 'The '"),
        (("evalute", "runs/a"), "Did you mean: seqkit evaluate runs/a"),
        (
            ("run", "quickstart", "--steps", "500"),
            "A key of the recipe is given without dashes: train.steps=500",
        ),
        (
            ("run", "quickstart", "--steps=500"),
            "A key of the recipe is given without dashes: train.steps=500",
        ),
        (("run", "quickstart", "--lr", "1e-3"), "is given without dashes: train.learning_rate=1e-3"),
        (("run", "quickstart", "--hidden-size", "16"), "is given without dashes: cell.hidden_size=16"),
        (("run", "quickstart", "--layers"), "is given without dashes: model.layers=VALUE"),
        (("show", "quickstart", "--seed", "1"), "train.seed=1 or data.seed=1 or sample.seed=1"),
        (("run", "my.txt"), "my.txt is a data file: seqkit run quickstart --data my.txt"),
        (("run", "./my.txt"), "./my.txt is a data file: seqkit run quickstart --data ./my.txt"),
        (("run", "my.csv"), "my.csv is a data file: seqkit run stocks --data my.csv"),
        (("run", "my.csv.gz"), "my.csv.gz is a data file: seqkit run stocks --data my.csv.gz"),
        (("run", "mine"), "Did you mean: seqkit run mine.toml"),
        (("show", "mine"), "Did you mean: seqkit show mine.toml"),
        (
            ("run", "nosuch"),
            "A recipe of your own is a path that ends in .toml; a text is given with --data.",
        ),
        (("generate", "The "), "There are no runs in runs/ yet: seqkit run quickstart makes one."),
        (("run", "quickstart", "hidden_size=16"), "Did you mean cell.hidden_size=16?"),
        (("run", "quickstart", "cell.layers=2"), "Did you mean model.layers?"),
        (("run", "quickstart", "cell.use=RNN"), "Did you mean 'rnn'?"),
        (
            ("run", "quickstart", "cell.use=nosuch"),
            f"-p FILE.py. To list those of this environment ({sys.prefix})",
        ),
        (("run", "hf-text", "column=text"), "Did you mean source.column=text?"),
        (
            ("run", "quickstart", "--data", r"data\my.txt"),
            "folders: seqkit run quickstart --data data/my.txt",
        ),
    ],
)
def test_the_command_that_was_meant(workdir: Path, arguments: tuple[str, ...], hint: str) -> None:
    for name in ("my.txt", "my.csv", "my.csv.gz", "mine.toml"):
        Path(name).write_text("one two three\n")
    message = said(*arguments)
    assert hint in message
    assert len(message.splitlines()) <= 4


def test_an_unknown_option_has_the_message_of_click(workdir: Path) -> None:
    assert said("run", "quickstart", "--sed", "2").startswith("No such option '--sed'.")
    assert "--seeds" in said("run", "quickstart", "--sed", "2")
    assert said("generate", "x", "--lenght", "3") == "No such option '--lenght'."


def test_an_unknown_command_lists_the_known_ones(workdir: Path) -> None:
    assert said("xyzzy").startswith(
        "No such command 'xyzzy'.\n  The commands: bench, cache, check, evaluate, "
    )


class TestRuns:
    @pytest.fixture(autouse=True)
    def runs(self, workdir: Path) -> None:
        for age, name in enumerate(("old", "quickstart", "seeds/seed-0", "quickstart-2")):
            path = Path("runs", name, "recipe.toml")
            path.parent.mkdir(parents=True)
            path.write_text("")
            os.utime(path, (1000 * age, 1000 * age))

    def test_a_prompt_in_place_of_the_run(self) -> None:
        assert said("generate", "The ") == (
            "there is no run directory The .\n  The run comes first: seqkit generate runs/quickstart-2 'The '"
        )

    def test_a_misspelt_run(self) -> None:
        listed = "Runs, the latest first: runs/quickstart-2, runs/seeds/seed-0, runs/quickstart, runs/old."
        for command in (("generate", "a"), ("score", "x"), ("evaluate",), ("forecast",), ("states", "x")):
            message = said(command[0], "runs/quikstart", *command[1:])
            assert message.endswith(f"\n  Did you mean runs/quickstart? {listed}")
        assert said("evaluate", "nowhere").endswith(f"nowhere.\n  {listed}")
        assert said("evaluate", "quickstart").count("Did you mean") == 1
        assert said("run", "runs/quikstart").endswith("Did you mean runs/quickstart?")
        assert said("run", "elsewhere/x.toml").endswith("No such file or directory")

    def test_many_runs(self) -> None:
        for index in range(4):
            Path("runs", f"more-{index}").mkdir()
            Path("runs", f"more-{index}", "recipe.toml").write_text("")
        assert said("evaluate", "nowhere").endswith("and 3 more.")

    def test_a_run_in_this_folder_as_recipe(self) -> None:
        Path("runs/old").rename("old")
        hint = "old is a run. To train its recipe: seqkit run ./old"
        assert said("run", "old").splitlines()[-1].strip() == hint


def test_a_text_in_place_of_the_file(tiny_recipe: seqkit.Recipe) -> None:
    seqkit.train(tiny_recipe.override(["train.steps=1"]), "out")
    hint = "For a text: echo 'it'\"'\"'s some text' | seqkit"
    assert said("score", "out", "it's some text").endswith(f"{hint} score out -")
    assert said("states", "out", "it's some text").endswith(f"{hint} states out -")
    assert "echo" not in said("score", "out", "nowhere.txt")
    assert "seqkit score out data/my.txt" in said("score", "out", r"data\my.txt")
