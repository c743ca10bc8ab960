"""score, evaluate, generate and states."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import seqkit
from seqkit.cli import cli, generate, score
from seqkit.cli.data import name_data
from seqkit.errors import OutOfRangeError, SamplingError, SourceError
from tests.cli.test_cli import invoke

COLOR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def names_dir(workdir: Path, shared: Any) -> str:
    names = [f"{a}{b}{c}" for a in ("an", "be", "li", "mo") for b in "aeiou" for c in ("na", "ra", "s")]
    Path("names.txt").write_text("\n".join(names * 20), "utf-8")
    recipe = seqkit.Recipe.load("names").with_data("names.txt")
    options = ["~train.minutes", "train.steps=60", "train.warmup_steps=5", "train.learning_rate=1e-2"]
    shared("names", lambda: seqkit.train(recipe.override(options), "names"))
    return "names"


def refused(*arguments: str, stdin: str | None = None) -> str:
    """The error message; nothing is printed on standard output."""
    result = CliRunner().invoke(cli, arguments, input=stdin)
    assert result.exit_code != 0
    assert result.stdout == ""
    return result.stderr or str(result.exception)


class TestScore:
    def test_a_character_that_is_cut_at_the_end_of_standard_input_is_left_out_with_a_warning(
        self, tiny_run: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        data = "the cat sat Ж".encode()[:-1]  # as `head -c` cuts
        result = CliRunner().invoke(
            cli, ["score", tiny_run, "-", "--json"], input=data, catch_exceptions=False
        )
        assert json.loads(result.stdout)["tokens"] == 12
        assert "standard input ends within a character: its last 1 bytes are left out" in caplog.text

    def test_colours_leave_the_text_unchanged(self, tiny_run: str) -> None:
        text = "the cat sat\ton the mat,\n\n  said Zürich\x1b[31m e\u0301.\n"
        output = invoke("score", tiny_run, "-", "--color", stdin=text)
        legend, _, shown = output.partition("\n\n")
        assert COLOR.sub("", legend).startswith("bits of a token: 0.0 to 1.")
        assert "\x1b[7munknown\x1b[0m" in legend
        assert "\x1b[7mZü\x1b[0m" in shown  # marked, and otherwise unchanged
        assert "\x1b[7me\u0301\x1b[0m" in shown  # with its accent
        assert "\x1b[31m" not in shown  # a control character of the text does not reach the terminal
        plain = COLOR.sub("", shown).partition("\n\nbits per character")[0]
        assert re.sub("[↵→]", "", plain).replace("␛", "\x1b") == text

    def test_what_is_surprising_is_red(self, tiny_run: str) -> None:
        output = invoke("score", tiny_run, "-", "--color", stdin="the cat sat on the mat and looked vvvv\n")
        assert "\x1b[1;38;5;196mv" in output
        assert "\x1b[1;38;5;196mt" not in output.partition("\n\n")[2]

    def test_a_terminal_gets_colours_and_a_pipe_gets_none(
        self, tiny_run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "\x1b" not in invoke("score", tiny_run, "my.txt")
        monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
        assert "\x1b" in invoke("score", tiny_run, "my.txt")
        assert "\x1b" not in invoke("score", tiny_run, "my.txt", "--no-color")
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b" not in invoke("score", tiny_run, "my.txt")

    def test_only_the_beginning_of_a_long_text_is_shown_by_default(
        self, tiny_run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = Path("my.txt").read_text()
        monkeypatch.setattr("seqkit.inference.reading.BLOCK", 1000)
        monkeypatch.setenv("FORCE_COLOR", "1")
        shown = COLOR.sub("", invoke("score", tiny_run, "my.txt")).replace("↵", "")
        assert text[:1000] in shown
        assert text[:1001] not in shown
        assert "... (--color shows all of it)" in shown
        assert text in COLOR.sub("", invoke("score", tiny_run, "my.txt", "--color")).replace("↵", "")

    def test_a_table_of_the_tokens(self, tiny_run: str) -> None:
        text = "the\tcat\n☃ \u2028 é"
        lines = invoke("score", tiny_run, "-", "--tokens", stdin=text).split("\n")
        assert lines.pop() == ""
        tokens, bits = zip(*(line.split("\t") for line in lines), strict=True)
        assert "".join(map(json.loads, tokens)) == text
        score = seqkit.load(tiny_run).score(text)
        np.testing.assert_allclose(np.array(bits, float), score.surprisal, atol=1e-4)
        assert "not be" not in refused("score", tiny_run, "-", "--tokens", "--json")
        assert "--json has the bits of the tokens" in refused(
            "score", tiny_run, "my.txt", "--tokens", "--json"
        )

    def test_standard_input_is_utf_8_whatever_the_terminal_is(self, tiny_run: str) -> None:
        result = CliRunner().invoke(
            cli, ["score", tiny_run, "-", "--json"], input="\ufeffthé cat\r\n".encode()
        )
        score = json.loads(result.stdout)
        assert (score["tokens"], score["unknown"]) == (8, 1)  # without the mark; CRLF is one line end
        message = refused_bytes("score", tiny_run, "-", stdin=b"the cat\n\xff\xfe")
        assert "standard input is not valid utf-8: byte 0xff at byte offset 8, line 2" in message
        assert "there is no text to score" in refused("score", tiny_run, "-", stdin="")

    def test_a_score_for_each_line(self, tiny_run: str) -> None:
        text = "the cat sat\n\nxqzv ☃\nthe dog\nno end"
        run = seqkit.load(tiny_run)
        expected = [
            [f"{run.score(line).bits_per_char:.4f}", str(number), line]
            for number, line in enumerate(text.split("\n"), 1)
            if line
        ]
        rows = [row.split("\t") for row in invoke("score", tiny_run, "-", "--lines", stdin=text).splitlines()]
        assert rows == expected
        ranked = invoke("score", tiny_run, "-", "--lines", "--sort", stdin=text).splitlines()
        assert [row.split("\t") for row in ranked] == sorted(expected, key=lambda row: -float(row[0]))
        assert ranked[0].endswith("\t3\txqzv ☃")
        results = json.loads(invoke("score", tiny_run, "-", "--lines", "--json", stdin=text))
        assert [(row["line"], row["text"]) for row in results] == [(int(row[1]), row[2]) for row in expected]
        assert results[1]["unknown"] >= 1
        assert set(results[0]) == {"line", "text", "bits_per_char", "tokens", "unknown"}

    def test_lines_of_any_pieces(self) -> None:
        pieces = ["a\nb", "c", "\n", "\nd\n", ""]
        assert list(score._lines(pieces)) == ["a", "bc", "", "d"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--sort",), "--sort is for the scores of lines: --lines --sort."),
            (("--lines", "--tokens"), "leave --tokens and --color out"),
            (("--lines", "--color"), "leave --tokens and --color out"),
        ],
    )
    def test_options_that_do_not_go_together(self, options: tuple[str, ...], message: str) -> None:
        assert message in refused("score", "out", "my.txt", *options)

    @pytest.mark.ci
    def test_lines_that_are_documents_end(self, names_dir: str) -> None:
        name = json.loads(invoke("score", names_dir, "-", "--json", stdin="anana\n"))
        assert name["tokens"] == 6
        assert name["unknown"] == 0
        assert name["bits_per_char"] < 5
        two = json.loads(invoke("score", names_dir, "-", "--json", stdin="anana\nanana\n"))
        np.testing.assert_allclose(two["surprisal"], name["surprisal"] * 2, atol=1e-4)
        row = invoke("score", names_dir, "-", "--lines", stdin="anana\n").split("\t")
        assert row == [f"{name['bits_per_char']:.4f}", "1", "anana\n"]
        lines = invoke("score", names_dir, "-", "--tokens", stdin="anana\n").splitlines()
        assert lines[-1].startswith('"\\n"\t')


def refused_bytes(*arguments: str, stdin: bytes) -> str:
    result = CliRunner().invoke(cli, arguments, input=stdin)
    assert isinstance(result.exception, SourceError)
    return str(result.exception)


class TestEvaluate:
    def test_the_interval_is_printed(self, tiny_run: str) -> None:
        metrics = json.loads(invoke("evaluate", tiny_run, "my.txt", "--json"))
        low, high = metrics["loss_interval_95"]
        assert low < metrics["loss"] < high
        output = invoke("evaluate", tiny_run, "my.txt")
        assert f"{metrics['loss']:.4f}  (95 %: {low:.4f} to {high:.4f})" in output
        assert "interval" not in output
        bits = metrics["bits_per_char_interval_95"]
        assert bits == pytest.approx([low / np.log(2), high / np.log(2)])

    def test_a_short_text_has_no_interval(self, tiny_run: str) -> None:
        Path("short.txt").write_text("the cat sat on the mat\n")
        metrics = json.loads(invoke("evaluate", tiny_run, "short.txt", "--json"))
        assert metrics["loss_interval_95"] is None
        assert metrics["bits_per_char_interval_95"] is None
        assert "95 %" not in invoke("evaluate", tiny_run, "short.txt")

    def test_it_names_what_it_reads(self, tiny_run: str, text_file: Path) -> None:
        result = CliRunner().invoke(cli, ["evaluate", tiny_run, "my.txt"])
        assert result.stderr == "my.txt: source text\n"  # and which source reads it
        result = CliRunner().invoke(cli, ["evaluate", tiny_run])
        assert result.stderr == f"reading {text_file}\n"
        assert CliRunner().invoke(cli, ["evaluate", tiny_run, "--json"]).stderr == ""
        text_file.unlink()
        result = CliRunner().invoke(cli, ["evaluate", tiny_run])
        assert result.stderr == f"reading {text_file}\n"  # before it fails

    @pytest.mark.parametrize(
        ("source", "named"),
        [
            ({"use": "samples"}, "the source samples, python-docs"),
            ({"use": "text", "path": ["/a.txt", "/b/*.txt"]}, "/a.txt, /b/*.txt"),
            (
                {"use": "text", "path": {"train": "/a.txt", "test": ["/b.txt", "/c.txt"]}},
                "train: /a.txt; test: /b.txt, /c.txt",
            ),
            ({"use": "hf", "path": "json", "data_files": ["/a.jsonl"]}, "json, of it /a.jsonl"),
        ],
    )
    def test_any_source_is_named(
        self, source: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name_data(seqkit.Recipe(source=source, cell={"use": "rnn"}).resolve(), None)
        assert capsys.readouterr().err == f"reading {named}\n"

    def test_a_file_has_no_splits(self, tiny_run: str) -> None:
        for split in ("validation", "test"):
            said = refused("evaluate", tiny_run, "my.txt", "--split", split)
            assert "a FILE is read whole; leave --split out." in said


class TestGenerate:
    def test_characters_of_a_prompt_that_the_tokenizer_does_not_know_are_a_warning(
        self, tiny_run: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        invoke("generate", tiny_run, "the cat", "--max-tokens", "3")
        assert "prompt" not in caplog.text
        invoke("generate", tiny_run, "the 猫 cat", "--max-tokens", "3", "--num", "2")
        assert caplog.text.count("the model reads it as 'the \ufffd cat'") == 1

    def test_the_prompt_comes_from_anywhere(self, tiny_run: str) -> None:
        Path("prompt.txt").write_text("the cat\n\n", "utf-8")
        short = ("--max-tokens", "12", "--json")
        given = json.loads(invoke("generate", tiny_run, "the cat\n", *short))
        assert json.loads(invoke("generate", tiny_run, "--prompt-file", "prompt.txt", *short)) == given
        assert json.loads(invoke("generate", tiny_run, "-", *short, stdin="the cat\n\n")) == given
        assert given["prompt"] == "the cat\n"
        assert "not both" in refused("generate", tiny_run, "a", "--prompt-file", "prompt.txt")
        assert "no such file: nowhere.txt" in refused("generate", tiny_run, "--prompt-file", "nowhere.txt")

    def test_each_of_several_texts_comes_again_by_its_seed(self, tiny_run: str) -> None:
        several: list[Any] = json.loads(
            invoke("generate", tiny_run, "the ", "--num", "3", "--seed", "7", "--json")
        )
        assert [text["seed"] for text in several] == [7, 8, 9]
        assert len({text["text"] for text in several}) == 3
        assert json.loads(invoke("generate", tiny_run, "the ", "--seed", "8", "--json")) == several[1]
        output = invoke("generate", tiny_run, "the ", "--num", "3", "--seed", "7")
        assert output == "".join(f"--- seed {t['seed']} ---\nthe {t['text']}\n" for t in several)
        assert len(json.loads(invoke("generate", tiny_run, "--num", "1", "--json"))) == 1
        with pytest.raises(SamplingError, match="seed must be from 0"):
            invoke("generate", tiny_run, "--num", "2", "--seed", str(2**63 - 1))

    @pytest.mark.ci
    def test_documents_on_lines_are_printed_one_a_line(self, names_dir: str) -> None:
        texts = [text["text"] for text in json.loads(invoke("generate", names_dir, "--num", "5", "--json"))]
        assert invoke("generate", names_dir, "--num", "5").splitlines() == texts

    def test_the_text_goes_to_a_file_in_utf_8(self, tiny_run: str, caplog: pytest.LogCaptureFixture) -> None:
        options = ("generate", tiny_run, "the ☃ ", "--num", "2", "--max-tokens", "20")
        printed = invoke(*options)
        assert invoke(*options, "--out", "texts.txt") == ""
        assert Path("texts.txt").read_bytes() == printed.encode("utf-8")
        invoke(*options, "--json", "--out", "texts.json")
        assert Path("texts.json").read_text("utf-8") == invoke(*options, "--json")
        said = refused("generate", tiny_run, "--out", "nowhere/a.txt")
        assert "nowhere/a.txt cannot be written: No such file or directory." in said

    def test_stop_strings_and_what_ended_a_text(self, tiny_run: str) -> None:
        greedy = ("generate", tiny_run, "the cat", "--temperature", "0", "--json")
        text = json.loads(invoke(*greedy))
        assert text["ended_by"] == "max_tokens"
        stop = text["text"][3:5]
        stopped = json.loads(invoke(*greedy, "--stop", stop))
        assert (stopped["text"], stopped["ended_by"]) == (text["text"][: text["text"].index(stop)], "stop")
        assert json.loads(invoke(*greedy, "--stop", stop, "--keep-stop"))["text"] == stopped["text"] + stop

    @pytest.mark.parametrize(
        ("typed", "read"),
        [
            (r"\n", "\n"),
            (r"a\tb", "a\tb"),
            (r"\\n", r"\n"),
            (r"\\", "\\"),
            (r"\d\r", r"\d\r"),
            ("\\", "\\"),
            ("é", "é"),
        ],
    )
    def test_a_stop_string_is_typed_with_escapes(self, typed: str, read: str) -> None:
        assert generate._unescaped(typed) == read

    def test_a_line_ends_at_an_escaped_line_end(self, tiny_run: str) -> None:
        seqkit_run = seqkit.load(tiny_run)
        expected = seqkit_run.generate("a", stop="\n", max_tokens=500, temperature=1.0)
        options = ("--max-tokens", "500", "--temperature", "1", "--stop", r"\n")
        assert invoke("generate", tiny_run, "a", *options) == f"a{expected}\n"
        assert len(expected) < 500

    def test_a_penalty(self, tiny_run: str) -> None:
        greedy = ("generate", tiny_run, "the cat", "--temperature", "0", "--json")
        expected = seqkit.load(tiny_run).generate("the cat", temperature=0, repetition_penalty=9.0)
        assert json.loads(invoke(*greedy, "--repetition-penalty", "9"))["text"] == expected
        assert json.loads(invoke(*greedy))["text"] != expected

    def test_novelty_is_printed_in_words_and_as_json(self, tiny_run: str, text_file: Path) -> None:
        copied = text_file.read_text()[100:160]
        result = seqkit.load(tiny_run).novelty(f"☃{copied}☃")
        assert result.spans[0].text == copied
        greedy = ("generate", tiny_run, "the cat", "--temperature", "0", "--num", "2", "--novelty")
        first, second = json.loads(invoke(*greedy, "--json"))
        assert first["text"] == second["text"]
        assert first["novelty"] == second["novelty"]
        assert set(first["novelty"]) == {"characters", "shortest", "copied", "copied_share", "spans"}
        output = invoke(*greedy)
        assert "the text of seed 1" in output
        alone = invoke("generate", tiny_run, "the cat", "--temperature", "0", "--novelty")
        if spans := first["novelty"]["spans"]:
            assert (
                f"{len(spans[0]['text']):>5,} characters, there at offset {spans[0]['offset']:,}: " in alone
            )
        else:
            assert "No 20 consecutive characters of the text occur in the training text." in alone

    def test_novelty_needs_the_training_text(self, tiny_run: str, text_file: Path) -> None:
        text_file.unlink()
        with pytest.raises(SourceError, match="no such file"):
            invoke("generate", tiny_run, "--novelty", "--json")


class TestStates:
    def test_the_units_that_change_most(self, tiny_run: str) -> None:
        Path("part.txt").write_text("the cat sat on the mat\n")
        states = seqkit.load(tiny_run).states("the cat sat on the mat\n")
        (unit, deviation), *_ = states.most_variable()
        result = json.loads(invoke("states", tiny_run, "part.txt", "--json"))
        assert (result["tokens"], result["units"], result["layer"], result["out"]) == (23, 16, 0, None)
        assert result["ranking"][0] == {"unit": unit, "standard_deviation": deviation}
        assert len(result["ranking"]) == 10
        output = invoke("states", tiny_run, "-", stdin="the cat sat on the mat\n")
        assert "23 tokens, 16 units of layer 0" in output
        assert re.search(rf"^{unit} +{deviation:.4f}", output, re.M)

    def test_a_picture_and_the_data(self, tiny_run: str) -> None:
        Path("part.txt").write_text("the cat sat, said 1.\n" * 5)
        output = invoke("states", tiny_run, "part.txt", "--where", r"\w+", "--out", "a.png")
        best = re.search(r"^(\d+) +-?0\.", output, re.M)[1]
        assert f"The text, coloured by unit {best}, is in a.png." in output
        assert Path("a.png").read_bytes().startswith(b"\x89PNG")
        result = json.loads(invoke("states", tiny_run, "part.txt", "--unit", "3", "--out", "b.png", "--json"))
        assert (result["unit"], result["out"]) == (3, "b.png")
        assert Path("b.png").read_bytes() != Path("a.png").read_bytes()
        assert "The data of all units is in a.csv." in invoke(
            "states", tiny_run, "part.txt", "--out", "a.csv"
        )
        rows = list(csv.reader(Path("a.csv").read_text().splitlines(keepends=True)))
        assert len(rows) == 106

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--where", "["), "--where '[' is not a regular expression"),
            (("--out", "nowhere/a.png"), "nowhere/a.png cannot be written: No such file or directory."),
            (("--out", "a.html"), "states are saved as .npz or .csv, pictures as .png; a.html has another"),
            (("--out", "a.png", "--unit", "16"), "there is no unit 16: layer 0 has the units 0 to 15"),
            (("--layer", "1"), "there is no layer 1: the model has 1 layer"),
            (("--where", "☃"), "--where '☃' matches nothing in the text."),
        ],
    )
    def test_mistakes_are_errors(self, tiny_run: str, options: tuple[str, ...], message: str) -> None:
        assert message in refused("states", tiny_run, "-", *options, stdin="the cat\n")

    def test_a_text_that_is_too_long_is_an_error_before_the_model_reads_it(
        self, tiny_run: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("seqkit.model.SequenceModel.hidden", None)
        with pytest.raises(OutOfRangeError, match="a picture has room for 10,000 characters"):
            invoke("states", tiny_run, "my.txt", "--out", "a.png")
