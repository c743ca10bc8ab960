import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import seqkit
from seqkit.cli import LogOnce, cli
from seqkit.cli.text import TextReport
from tests.inprocess import command

QUICK = [
    "train.steps=20",
    "train.batch_size=8",
    "train.seq_len=20",
    "train.evaluate_every=10",
    "cell.hidden_size=16",
]


def invoke(*arguments: str, stdin: str | None = None) -> str:
    result = CliRunner().invoke(cli, arguments, input=stdin, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


class TestRun:
    def test_it_shows_the_loss_a_sample_and_the_next_steps(self, text_file: Path) -> None:
        done = command("run", "quickstart", "--data", str(text_file), *QUICK)
        assert done.returncode == 0, done.stderr
        assert "step     10" in done.stderr
        assert "validation" in done.stderr
        assert "\x1b" not in done.stderr + done.stdout  # no bar without a terminal
        assert "ended by 20 steps, at step 20" in done.stdout
        assert "--- a sample ---\nThe " in done.stdout
        first = done.stdout.partition("Next:\n")[2].splitlines()[0]
        assert "generate runs/quickstart" in first  # the user has already given a text
        assert (Path("runs/quickstart") / "loss.png").exists()

    def test_the_next_steps_need_no_quotes(self, text_file: Path) -> None:
        given = ["data.split=[0.8,0.1,0.1]", "~train.minutes", "~sample.prompt"]
        recipe = seqkit.Recipe.load("quickstart").with_data(text_file).override([*QUICK, *given])
        run = seqkit.train(recipe)
        (first, _), *_ = TextReport().next_steps("quickstart", run, (), has_own_data=False)
        assert first.startswith("run quickstart --data my.txt")
        assert all(change in first for change in QUICK)  # what was trained is trained again
        assert first.endswith(" data.split=0.8,0.1,0.1 train.minutes=none '~sample.prompt'")

    @pytest.mark.ci
    def test_a_run_is_trained_from_scratch(self, tiny_run: str) -> None:
        result = CliRunner().invoke(cli, ["run", f"./{tiny_run}", "train.steps=2"], catch_exceptions=False)
        said = "./out is a run: its recipe is trained from scratch, with new weights, as a new run.\n"
        assert said in result.stderr
        assert "from scratch" not in CliRunner().invoke(cli, ["run", f"./{tiny_run}", "--plan"]).stderr
        assert Path("runs/out").is_dir()

    def test_a_training_that_ends_higher_than_it_began_exits_with_1(self, text_file: Path) -> None:
        worse = ["train.optimizer=sgd", "train.learning_rate=100", "train.clip_norm=inf"]
        done = command("run", "quickstart", "--data", str(text_file), *QUICK, *worse)
        assert done.returncode == 1
        assert "the loss of training ended higher than it began" in done.stderr
        assert "The run is in runs/quickstart" in done.stdout

    def test_json_is_one_document(self, text_file: Path) -> None:
        done = command("run", "quickstart", "--data", str(text_file), "--out", "here", "--json", *QUICK)
        result = json.loads(done.stdout)
        assert result["path"] == "here"
        assert result["best"]["split"] == "validation"
        assert result["sample"].startswith("The ")
        assert result["provenance"]["overrides"] == QUICK

    @pytest.mark.ci
    def test_seeds(self, text_file: Path) -> None:
        output = invoke("run", "quickstart", "--data", str(text_file), "--seeds", "2", *QUICK)
        assert "validation, 2 seeds: " in output
        assert Path("runs/quickstart/seed-1/recipe.toml").exists()
        summary = json.loads(
            invoke("run", "quickstart", "--data", str(text_file), "--seeds", "2", "--json", *QUICK)
        )
        assert summary["path"] == "runs/quickstart-2"

    def test_help_names_the_options(self) -> None:
        output = invoke("run", "--help")
        assert all(word in output for word in ("--data", "--out", "--seeds", "--json", "train.minutes=none"))


class TestVerbs:
    def test_generate(self, tiny_run: str) -> None:
        text = invoke("generate", tiny_run, "the ", "--max-tokens", "12", "--seed", "3")
        assert text == "the " + seqkit.load(tiny_run).generate("the ", max_tokens=12, seed=3) + "\n"
        assert invoke("generate", tiny_run, "the ", "--max-tokens", "12", "--seed", "3") == text
        result = json.loads(
            invoke("generate", tiny_run, "--json", "--temperature", "0", "--top-k", "3", "--top-p", "0.9")
        )
        assert result["prompt"] == ""
        assert len(result["text"]) == 40
        stop = result["text"][5:7]
        stopped = json.loads(invoke("generate", tiny_run, "--json", "--temperature", "0", "--stop", stop))
        assert stopped["text"] == result["text"][: result["text"].index(stop)]

    def test_score(self, tiny_run: str, text_file: Path) -> None:
        score = seqkit.load(tiny_run).score(text_file.read_text())
        output = invoke("score", tiny_run, str(text_file))
        assert f"bits per character    {score.bits_per_char:.4f}" in output
        result = json.loads(invoke("score", tiny_run, "-", "--json", stdin=text_file.read_text()))
        assert result["bits_per_char"] == score.bits_per_char
        assert len(result["surprisal"]) == result["tokens"] == score.tokens

    def test_score_reads_every_file_of_a_glob(self, tiny_run: str) -> None:
        for name in ("a", "b"):
            Path(f"{name}.log").write_text("the cat\n")
        assert json.loads(invoke("score", tiny_run, "*.log", "--json"))["tokens"] == 16

    def test_evaluate(self, tiny_run: str, text_file: Path) -> None:
        result = json.loads(invoke("evaluate", tiny_run, "--json"))
        assert result == seqkit.load(tiny_run).evaluate("test")
        assert "validation" in invoke("evaluate", tiny_run, "--split", "validation")
        whole = json.loads(invoke("evaluate", tiny_run, str(text_file), "--json"))
        assert (whole["split"], whole["tokens"]) == ("all", len(text_file.read_text()))

    def test_ls(self) -> None:
        assert "quickstart" in invoke("ls")
        rows: list[dict[str, Any]] = json.loads(invoke("ls", "--json"))
        assert {"char-rnn", "quickstart"} <= {row["name"] for row in rows}
        assert all(row["description"] and row["distribution"] == "seqkit" for row in rows)

    def test_show(self, tiny_run: str) -> None:
        assert "hidden_size = 99" in invoke("show", "quickstart", "cell.hidden_size=99")
        assert json.loads(invoke("show", "quickstart", "--json"))["train"]["seed"] == 0
        shown = invoke("show", tiny_run)
        assert "hidden_size = 16" in shown
        assert "# lowest validation loss" in shown
        result = json.loads(invoke("show", tiny_run, "--json"))
        assert result["provenance"]["ended_by"] == "30 steps"
        assert result["best"]["split"] == "validation"

    @pytest.mark.ci
    def test_bench(self) -> None:
        result = json.loads(
            invoke(
                "bench",
                "trainer",
                "--batch-size",
                "2",
                "--seq-len",
                "3",
                "--hidden-size",
                "4",
                "--repeats",
                "2",
                "--json",
            )
        )
        assert result["ratio_min"] <= result["ratio"] <= result["ratio_max"]
        assert "ratio" in invoke(
            "bench", "trainer", "--batch-size", "2", "--seq-len", "3", "--hidden-size", "4", "--repeats", "2"
        )
        rows = json.loads(invoke("bench", "tokenizer", "--megabytes", "1", "--repeats", "1", "--json"))
        assert [row["text"] for row in rows] == ["English", "Cyrillic", "Chinese"]
        assert {"char", "word"} <= set(rows[0]["megabytes_per_s"])
        assert "MB/s" in invoke("bench", "tokenizer", "--megabytes", "1", "--repeats", "1")


class TestMistakes:
    """Exit code 2 and a few lines, never a traceback."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("run", "quikstart"), "no recipe is called 'quikstart'. Did you mean 'quickstart'?"),
            (
                ("run", "quickstart", "cell.hiden_size=3"),
                "Did you mean 'hidden_size'? (override 'cell.hiden_size=3')",
            ),
            (("run", "quickstart", "--data", "nowhere.txt"), "no such file: "),
            (("run", "quickstart", "train.device=warp"), "the device 'warp' cannot be used here"),
            (("run", "quickstart", "--seeds", "0"), "0 is not in the range x>=1"),
            (("generate", "nowhere"), "there is no run directory nowhere."),
            (("generate", "out", "a", "--temperature", "-1"), "temperature must be 0 (greedy) or greater"),
            (("score", "out", "nowhere.txt"), "no such file: nowhere.txt"),
            (("evaluate", "out", "--split", "dev"), "there is no dev split"),
            (("show", "out", "train.steps=1"), "a run cannot be overridden"),
            (("show", "x.toml"), "x.toml:\n  cannot be read: No such file or directory"),
            (("trian",), "No such command 'trian'"),
        ],
    )
    def test_they_end_with_a_message(self, tiny_run: str, arguments: tuple[str, ...], message: str) -> None:
        done = command(*arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) <= 5

    @pytest.mark.ci
    def test_a_terminal_that_lacks_a_character(self, tiny_run: str) -> None:
        prompt = b"caf\xe9 \xd0\xb6 "
        words = [sys.executable, "-m", "seqkit", "generate", tiny_run, prompt, "--max-tokens", "3"]
        env = {**os.environ, "PYTHONIOENCODING": "iso-8859-15"}
        done = subprocess.run(words, capture_output=True, check=True, env=env)
        assert done.stdout.startswith(b"caf? ? ")
        assert done.stderr.count(b"the output is written in iso8859-15, which lacks some characters") == 1

    def test_a_divergence_ends_with_code_1(self, text_file: Path) -> None:
        wild = ["train.learning_rate=1e38", "train.clip_norm=inf", "train.optimizer=sgd"]
        done = command("run", "quickstart", "--data", str(text_file), *QUICK, *wild)
        assert done.returncode == 1
        assert "training stopped before the weights were changed" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.ci
    def test_a_closed_pipe_gives_no_traceback(self, tiny_run: str) -> None:
        line = f"{sys.executable} -m seqkit generate {tiny_run} --max-tokens 100000 | head -c 20"
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
        assert len(done.stdout) == 20
        assert done.stderr == ""


def test_the_version() -> None:
    assert invoke("--version").strip() == f"seqkit, version {seqkit.__version__}"


def test_what_is_marked_once_and_every_warning_is_logged_once() -> None:
    log_once = LogOnce()

    def passes(level: int, message: str, **extra: object) -> bool:
        record = logging.LogRecord("seqkit", level, "here", 1, message, None, None)
        vars(record).update(extra)
        return log_once.filter(record)

    for level, extra in ((logging.WARNING, {}), (logging.INFO, {"once": True})):
        message = f"the largest move, {level}"
        assert [passes(level, message, **extra) for _ in range(2)] == [True, False]
    assert [passes(logging.INFO, "a step") for _ in range(2)] == [True, True]
