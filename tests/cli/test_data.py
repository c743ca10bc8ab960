"""The user's own data: what is read, what is reported about it, and what is an error."""

import bz2
import json
import lzma
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import seqkit
from seqkit.cli import cli
from seqkit.errors import SourceError
from seqkit.run import TextRun

WORDS = ("the", "printer", "on", "this", "floor", "does", "not", "answer", "please", "send", "someone")
SYLLABLES = ("lo", "be", "mi", "fi", "da", "el", "na", "ra", "cor", "an")
SIZES = ["train.batch_size=8", "train.seq_len=20", "cell.hidden_size=16"]
TINY = ["~train.minutes", *SIZES, "sample.max_tokens=12"]
FEW = [*TINY, "train.steps=4", "train.evaluate_every=2"]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def run(*arguments: str) -> Result:
    result = call("run", *arguments)
    assert result.exit_code == 0, result.output
    return result


def train(recipe: str, data: str, out: str, *overrides: str) -> TextRun:
    """Train as `seqkit run` does, without a sample and its comparison with the training text."""
    trained = seqkit.train(seqkit.Recipe.load(recipe).with_data(data).override(overrides), out)
    assert isinstance(trained, TextRun)
    return trained


def message(*arguments: str) -> str:
    """The message of a user error: at most three lines, below the line with the source of the data."""
    from seqkit.errors import SeqkitError

    result = call(*arguments)
    assert isinstance(result.exception, SeqkitError), result.output
    assert len(str(result.exception).splitlines()) <= 3
    return str(result.exception)


def sentences(count: int, seed: int) -> list[str]:
    numbers = random.Random(seed)
    return [" ".join(numbers.choices(WORDS, k=numbers.randint(6, 16))) + ". café" for _ in range(count)]


def write_rows(name: str, seed: int, **more: str) -> str:
    rows = [{"id": number, "text": text, **more} for number, text in enumerate(sentences(300, seed))]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


class TestTables:
    @pytest.mark.ci
    def test_rows_are_read_as_texts_by_run_evaluate_and_score(self) -> None:
        write_rows("rows.jsonl", 0)
        write_rows("other.jsonl", 1)
        steps = [*TINY, "train.steps=300", "train.evaluate_every=300", "data.documents=apart"]
        trained = train("quickstart", "rows.jsonl", "out", *steps)
        assert trained.provenance["data"]["column"] == "text"
        text = "".join(trained.training_text())
        assert "id" not in text
        assert "{" not in text
        loss = next(row["loss"] for row in reversed(trained.metrics) if row["split"] == "train")

        evaluated = call("evaluate", "out", "other.jsonl", "--json")
        assert evaluated.stderr == "other.jsonl: source hf, column 'text', 300 rows\n"
        metrics = json.loads(evaluated.stdout)
        assert metrics["loss"] == pytest.approx(loss, rel=0.2)
        assert metrics["tokens"] == sum(len(text) + 1 for text in sentences(300, 1)), "300 documents"
        assert metrics["unknown_characters"] == 0

        scored = call("score", "out", "other.jsonl", "--json")
        assert scored.stderr == evaluated.stderr
        score = json.loads(scored.stdout)
        assert score["tokens"] == metrics["tokens"]
        assert score["bits_per_char"] == pytest.approx(metrics["bits_per_char"], rel=1e-3)

    @pytest.mark.ci
    def test_a_joined_text_of_rows_is_scored_as_it_is_evaluated(self) -> None:
        result = run("quickstart", "--data", write_rows("rows.jsonl", 0), "--out", "out", *FEW)
        assert result.stderr.startswith("rows.jsonl: source hf, column 'text', 300 rows\n")
        tokens = sum(len(text) + 1 for text in sentences(300, 0))
        assert json.loads(call("evaluate", "out", "rows.jsonl", "--json").stdout)["tokens"] == tokens
        assert json.loads(call("score", "out", "rows.jsonl", "--json").stdout)["tokens"] == tokens

    @pytest.mark.ci
    def test_several_columns_are_listed_with_the_key_to_type(self) -> None:
        rows = [{"question": text, "answer": text[::-1]} for text in sentences(300, 0)]
        Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        said = message("run", "quickstart", "--data", "rows.jsonl", *FEW)
        assert "has 2 text columns: question, answer.\n  Choose one: source.column=question" in said
        result = run("quickstart", "--data", "rows.jsonl", "source.column=answer", "--out", "out", *FEW)
        assert "rows.jsonl: source hf, column 'answer', 300 rows\n" in result.stderr
        for verb in ("evaluate", "score"):
            assert "column 'answer'" in call(verb, "out", "rows.jsonl").stderr, "the run's own"
            other = call(verb, "out", "rows.jsonl", "source.column=question")
            assert "column 'question'" in other.stderr

    def test_the_runs_own_column_is_remembered_though_it_was_found(self) -> None:
        Path("one.csv").write_text(
            "n,body\n" + "".join(f'{n},"{t}"\n' for n, t in enumerate(sentences(99, 0)))
        )
        run("quickstart", "--data", "one.csv", "--out", "out", *FEW)
        Path("two.csv").write_text("title,body\na,the printer\n")
        assert call("evaluate", "out", "two.csv").stderr == "two.csv: source hf, column 'body', 1 row\n"
        Path("three.csv").write_text("n,words\n1,the printer\n")
        assert call("evaluate", "out", "three.csv").stderr == "three.csv: source hf, column 'words', 1 row\n"

    def test_a_saved_dataset_with_splits_is_trained_on_and_evaluated_whole(self) -> None:
        import datasets

        table = datasets.Dataset.from_dict({"text": sentences(300, 0)})
        datasets.DatasetDict(
            {"train": table.select(range(200)), "validation": table.select(range(200, 300))}
        ).save_to_disk("saved")
        result = run("quickstart", "--data", "saved", "--out", "out", *FEW)
        assert result.stderr.startswith("saved: source hf, column 'text', 300 rows\n")
        metrics = json.loads(call("evaluate", "out", "saved", "--json").stdout)
        assert metrics["tokens"] == sum(len(text) + 1 for text in sentences(300, 0))

    @pytest.mark.ci
    def test_rows_without_text_are_reported_at_every_start(self, caplog: pytest.LogCaptureFixture) -> None:
        rows: list[str | None] = [*sentences(200, 0), None, "", None]
        Path("rows.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
        arguments = ["quickstart", "--data", "rows.jsonl", *FEW]
        for extra in (["--out", "a"], ["--out", "b"], ["--plan"]):
            caplog.clear()
            run(*arguments, *extra)
            assert caplog.text.count("missing rows: 2 of 203, left out") == 1
            assert caplog.text.count("empty rows: 1 of 203, left out (source.empty=keep") == 1
        for verb in ("evaluate", "score"):
            caplog.clear()
            assert call(verb, "a", "rows.jsonl").exit_code == 0
            assert caplog.text.count("missing rows: 2 of 203, left out") == 1

    def test_only_the_source_can_be_overridden_for_a_run(self, tiny_recipe: seqkit.Recipe) -> None:
        seqkit.train(tiny_recipe, "out")
        said = message("evaluate", "out", "my.txt", "train.steps=3")
        assert "'train.steps=3': only source.key=value is allowed for a run" in said
        result = call("score", "out", "-", "source.encoding=cp1252")
        assert result.exit_code == 2
        assert "standard input is UTF-8" in result.output


class TestTexts:
    def test_several_are_one_text_in_order(self) -> None:
        for name in ("b", "a"):
            Path(f"{name}.txt").write_text(f"the text of {name}\n" * 100)
        result = run("quickstart", "--data", "b.txt", "--data", "a.txt", "--out", "out", *FEW)
        assert result.stderr.startswith("b.txt, a.txt: source text, 2 files\n")
        text = "".join(seqkit.load("out").training_text())
        assert text.startswith("the text of b\n" * 100 + "the text of a\n")

    def test_a_folder_is_read_whole(self, caplog: pytest.LogCaptureFixture) -> None:
        Path("texts").mkdir()
        for name in ("b.md", "a.txt", "c.png"):
            Path("texts", name).write_text(f"the text of {name}\n" * 100)
        result = run("quickstart", "--data", "texts", "--out", "out", *FEW)
        assert result.stderr.startswith("texts: source text, 2 files\n")
        assert "texts: text files: 2; left out: 1 (1 .png)" in caplog.text
        assert json.loads(call("evaluate", "out", "texts", "--json").stdout)["tokens"] == 3500

    @pytest.mark.parametrize(("ending", "library"), [("bz2", bz2), ("xz", lzma)], ids=["bz2", "xz"])
    def test_compressed_texts_are_read(self, ending: str, library: Any) -> None:
        text = ("\n".join(sentences(400, 0)) + "\n")[:20_000]
        Path(f"text.{ending}").write_bytes(library.compress(text.encode()))
        run("quickstart", "--data", f"text.{ending}", "--out", "out", *FEW)
        splits = seqkit.load("out").provenance["data"]["splits"]
        assert sum(split["characters"] for split in splits.values()) == 20_000

    @pytest.mark.ci
    def test_for_a_text_that_is_not_utf_8_an_encoding_is_offered(self) -> None:
        Path("a.txt").write_bytes("“Smart” — café\n".encode("cp1252") * 60)
        Path("b.txt").write_bytes("Plain words, without a mark.\n".encode("utf-16-le") * 60)
        for name, encoding in (("a.txt", "cp1252"), ("b.txt", "utf-16-le")):
            said = message("run", "quickstart", "--data", name, *FEW)
            assert f"source.encoding={encoding}\n" in said
            assert "latin-1" not in said
            out = ["--out", name.removesuffix(".txt")]
            run("quickstart", "--data", name, f"source.encoding={encoding}", *out, *FEW)
        assert "\0" not in seqkit.load("b").tokenizer.characters
        Path("c.txt").write_text("plain\n" * 200)
        run("quickstart", "--data", "c.txt", "--out", "c", *FEW)
        assert "source.encoding=cp1252" in message("evaluate", "c", "a.txt")
        assert call("evaluate", "c", "a.txt", "source.encoding=cp1252").exit_code == 0

    def test_a_zip_archive_is_named(self) -> None:
        Path("a.txt").write_bytes(b"PK\x03\x04" + bytes(range(256)) * 4)
        said = message("run", "quickstart", "--data", "a.txt", *FEW)
        assert "a.txt is a zip archive, not text." in said
        assert "encoding" not in said


class TestDocuments:
    @pytest.mark.ci
    def test_a_separator_gives_every_split_documents(self, caplog: pytest.LogCaptureFixture) -> None:
        texts = [f"{a}\n{b}" for a, b in zip(sentences(300, 0), sentences(300, 1), strict=True)]
        Path("a.txt").write_text("\n%\n".join(texts) + "\n")
        train("quickstart", "a.txt", "one", "data.documents=apart", *FEW)
        assert "there is no document for validation and test (documents: 1).\n" in caplog.text
        assert "data.separator=% (at lines that are %)" in caplog.text
        caplog.clear()
        apart = ["data.documents=apart", "data.separator=%"]
        splits = train("quickstart", "a.txt", "many", *apart, *FEW).provenance["data"]["splits"]
        assert "no document" not in caplog.text
        assert all(split["tokens"] for split in splits.values())
        tokens = sum(len(text) + 1 for text in texts)
        assert sum(split["tokens"] for split in splits.values()) == tokens, "300 documents, no separator"
        for verb in ("evaluate", "score"):
            assert json.loads(call(verb, "many", "a.txt", "--json").stdout)["tokens"] == tokens

    @pytest.fixture
    def lines(self) -> str:
        numbers = random.Random(0)
        names = ["".join(numbers.choices(SYLLABLES, k=numbers.randint(2, 4))) for _ in range(1500)]
        Path("lines.txt").write_text("\n".join(names) + "\n")
        train("names", "lines.txt", "out", *TINY, "train.steps=60", "train.evaluate_every=30")
        return "out"

    @pytest.mark.ci
    def test_the_line_end_is_not_a_token_and_500_texts_are_500_lines(self, lines: str) -> None:
        trained = seqkit.load(lines)
        assert trained.tokenizer.vocab_size == 1 + len({*"".join(SYLLABLES)}) + 1  # <unk>, letters, the end
        printed = call("generate", lines, "--num", "500", "--temperature", "1.5", "--max-tokens", "40").stdout
        assert printed.count("\n") == 500

    def test_a_prompt_of_several_lines_is_read_as_score_reads_it(self, lines: str) -> None:
        trained = seqkit.load(lines)
        assert trained.generate("lobe\nmi", seed=3) == trained.generate("mi", seed=3)
        assert trained.tokenizer.encode("lobe\nmi").tolist() == [
            *trained.tokenizer.encode("lobe"),
            trained.tokenizer.end_id,
            *trained.tokenizer.encode("mi"),
        ]
        bits = trained.score("lobe\nmi").surprisal
        assert bits[5:] == pytest.approx(trained.score("mi").surprisal, rel=1e-4)
        result = call("generate", lines, "lobe\nmi", "--temperature", "0")
        assert result.stdout.startswith("lobe\nmi")

    def test_blank_lines_are_reported(self, caplog: pytest.LogCaptureFixture) -> None:
        Path("a.txt").write_text("one\n\ntwo\nthree\n\n" * 100)
        train("names", "a.txt", "out", *FEW, "data.split=[1,0,0]")
        assert "blank lines: 200, left out" in caplog.text


@pytest.mark.ci
def test_a_corpus_with_unk_and_eos_has_a_perplexity_per_word() -> None:
    Path("treebank.txt").write_text(" the <unk> said it will buy N shares of the company <eos>\n" * 200)
    words = ["tokenizer.use=word", "tokenizer.split=white-space", "--out", "out"]
    run("quickstart", "--data", "treebank.txt", *words, *TINY, "train.steps=60", "train.evaluate_every=60")
    trained = seqkit.load("out")
    assert trained.tokenizer.vocab_size == 11
    metrics = trained.evaluate("test")
    assert metrics["tokens"] % 12 == 0
    assert metrics["unknown_characters"] == 0
    printed = call("evaluate", "out").stdout
    assert f"perplexity per word   {metrics['perplexity']:.4f}" in printed
    assert "per token" not in printed
    assert "perplexity per word" in call("score", "out", "treebank.txt").stdout


def test_prices_are_not_text(workdir: Path) -> None:
    Path("prices.csv").write_text("Date,Close\n2020-01-01,1.5\n2020-01-02,1.6\n")
    with pytest.raises(SourceError) as caught:
        seqkit.train(seqkit.Recipe.load("quickstart").with_data("prices.csv"))
    assert "has no text column except 'Date': it looks like prices." in str(caught.value)
    assert "seqkit run stocks --data FILE" in str(caught.value)


@pytest.mark.ci
def test_utf8_that_is_read_as_another_encoding_is_a_warning(tiny_recipe: seqkit.Recipe) -> None:
    Path("old.txt").write_bytes(("caf\xe9 au lait\n" * 300).encode("cp1252"))
    run = seqkit.train(tiny_recipe.with_data("old.txt").override(["source.encoding=cp1252"]), "old")
    assert isinstance(run, TextRun)
    Path("new.txt").write_text("caf\xe9 au lait\n" * 20, "utf-8")
    Path("plain.txt").write_text("coffee with milk\n")
    notes = {}
    for name in ("new.txt", "old.txt", "plain.txt"):
        source = run.open_text(name)
        assert "".join(piece.text for piece in source.pieces())
        notes[name] = source.notes
    said = "new.txt is read as cp1252, but it is valid UTF-8: should source.encoding be utf-8?"
    assert notes == {"new.txt": (said,), "old.txt": (), "plain.txt": ()}
    assert call("score", str(run.path), "new.txt").exit_code == 0
