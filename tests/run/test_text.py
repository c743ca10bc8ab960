import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import seqkit
from seqkit import SequenceModel
from seqkit.errors import (
    BudgetError,
    ContractError,
    NonFiniteError,
    RecipeError,
    RunError,
    SamplingError,
    SourceError,
)
from seqkit.run import TextRun
from seqkit.training.manifest import read_manifest


@pytest.fixture
def run(tiny_run: str) -> seqkit.Run:
    return seqkit.load(tiny_run)


class TestTraining:
    def test_a_run_directory_holds_everything(self, run: seqkit.Run) -> None:
        names = {path.name for path in run.path.iterdir()}
        assert names == {
            "recipe.toml",
            "provenance.json",
            "ended.json",
            "tokenizer.json",
            "metrics.jsonl",
            "checkpoints",
            "loss.png",
        }
        assert (run.path / "loss.png").read_bytes().startswith(b"\x89PNG")
        assert [row["step"] for row in run.metrics if row["split"] == "validation"] == [10, 20, 30]
        train = [row for row in run.metrics if row["split"] == "train"]
        assert [row["step"] for row in train] == [10, 20, 30]
        for row in run.metrics:
            assert {
                "step",
                "epoch",
                "split",
                "loss",
                "tokens",
                "bits_per_char",
                "perplexity",
                "elapsed_s",
            } <= set(row)
        assert all(row["tokens_per_s"] > 0 for row in train)
        assert train[-1]["loss"] < train[0]["loss"]

    def test_the_provenance_lists_the_components(self, run: seqkit.Run) -> None:
        provenance = run.provenance
        assert provenance["components"]["cell"] == {
            "use": "rnn",
            "distribution": "seqkit",
            "version": seqkit.__version__,
        }
        assert provenance["versions"]["torch"] == torch.__version__
        assert (provenance["seed"], provenance["engine"], provenance["device"]) == (0, "fused", "cpu")
        assert provenance["ended_by"] == "30 steps"
        assert provenance["data"]["splits"]["train"]["tokens"] > 10_000
        assert len(provenance["data"]["source"]) == 32

    def test_the_same_recipe_gives_the_same_weights(self, tiny_recipe: seqkit.Recipe) -> None:
        before = torch.get_rng_state()
        first, second = (seqkit.train(tiny_recipe, name) for name in ("a", "b"))
        assert all(map(torch.equal, first.model.state_dict().values(), second.model.state_dict().values()))
        other = seqkit.train(tiny_recipe.override(["train.seed=1"]), "c")
        assert not torch.equal(first.model.cell.i2h.weight, other.model.cell.i2h.weight)
        assert torch.equal(torch.get_rng_state(), before)

    def test_a_run_has_the_best_weights(self, tiny_recipe: seqkit.Recipe) -> None:
        """A learning rate that is far too high for the second half makes the last weights worse."""
        recipe = tiny_recipe.override(["train.steps=40", "train.learning_rate=0.02"])

        class Spoil:
            def step_finished(self, trainer: Any, step: int, metrics: dict[str, float]) -> None:
                if step > 20:
                    with torch.no_grad():
                        for parameter in trainer.model.parameters():
                            parameter.add_(0.05)

        run = seqkit.train(recipe, "out", callbacks=[Spoil()])
        rows = [row for row in run.metrics if row["split"] == "validation"]
        assert rows[-1]["loss"] > rows[1]["loss"] + 0.1
        assert run.evaluate("validation")["loss"] == pytest.approx(rows[1]["loss"], abs=1e-6)
        assert seqkit.load("out").evaluate("validation")["loss"] == pytest.approx(rows[1]["loss"], abs=1e-6)
        assert [p.name for p in sorted((run.path / "checkpoints").iterdir())] == [
            "step-00000020",
            "step-00000040",
        ]

    def test_two_layers_an_embedding_and_the_reset_policy(self, tiny_recipe: seqkit.Recipe) -> None:
        overrides = [
            "model.layers=2",
            "model.encoder=embedding",
            "model.embedding_size=8",
            "model.dropout=0.1",
        ]
        run = seqkit.train(tiny_recipe.override([*overrides, "train.state=reset"]), "out")
        assert run.metrics[-1]["loss"] < run.metrics[0]["loss"]
        assert run.evaluate("test")["state"] == "reset"
        assert seqkit.load("out").generate("the") == run.generate("the")

    def test_without_a_validation_split_the_last_weights_are_kept(
        self, tiny_recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = seqkit.train(tiny_recipe.override(["data.split=[1, 0, 0]"]), "out")
        assert "there is no validation split: the last weights are kept" in caplog.text
        assert run.provenance["data"]["missing_splits"] == ["validation", "test"]
        assert {row["split"] for row in run.metrics} == {"train"}
        assert seqkit.load("out").generate("a") == run.generate("a")
        with pytest.raises(
            SourceError, match="no test split; available: train. Try --split train.\n.*never made up"
        ):
            run.evaluate()

    def test_a_description_is_not_a_formula(self, tiny_recipe: seqkit.Recipe) -> None:
        recipe = seqkit.Recipe(**{**tiny_recipe.resolve().tables(), "description": r"LaTeX, $\LaTeX$ kept"})
        assert (seqkit.train(recipe, "out").path / "loss.png").exists()

    def test_by_default_runs_are_numbered(self, tiny_recipe: seqkit.Recipe) -> None:
        recipe = tiny_recipe.override(["train.steps=1"])
        assert [str(seqkit.train(recipe).path) for _ in range(2)] == ["runs/tiny", "runs/tiny-2"]

    def test_text_that_is_longer_than_a_window_but_short(
        self, tiny_recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
    ) -> None:
        Path("short.txt").write_text("ab\n" * 40)
        seqkit.train(tiny_recipe.with_data("short.txt").override(["train.steps=2"]), "out")
        assert "room for 5 lanes of one window, not for train.batch_size = 8" in caplog.text


class TestMistakes:
    def test_a_directory_that_holds_a_run_is_refused(
        self, run: seqkit.Run, tiny_recipe: seqkit.Recipe
    ) -> None:
        before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
        with pytest.raises(RunError, match=r"out holds another run; nothing was written"):
            seqkit.train(tiny_recipe, "out")
        assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before

    def test_a_directory_that_is_not_empty_is_refused(self, tiny_recipe: seqkit.Recipe) -> None:
        Path("full").mkdir()
        Path("full/mine").write_text("")
        with pytest.raises(RunError, match="full is not empty"):
            seqkit.train(tiny_recipe, "full")
        with pytest.raises(RunError, match="full/mine cannot be created: "):
            seqkit.train(tiny_recipe, "full/mine")

    def test_a_text_shorter_than_a_window(self, tiny_recipe: seqkit.Recipe) -> None:
        Path("short.txt").write_text("abc\n")
        with pytest.raises(SourceError, match=r"has 4 tokens, less than one window of train.seq_len = 20"):
            seqkit.train(tiny_recipe.with_data("short.txt"), "out")
        assert not Path("out").exists()

    def test_a_wrong_recipe_or_device_leaves_nothing_behind(self, tiny_recipe: seqkit.Recipe) -> None:
        with pytest.raises(RecipeError, match="train.steps"):
            seqkit.train(tiny_recipe.override(["train.steps=0"]), "out")
        for device in ("warp", "cuda:99", "meta"):
            with pytest.raises(ContractError, match=f"the device '{device}' cannot be used here"):
                seqkit.train(tiny_recipe.override([f"train.device={device}"]), "out")
        assert not Path("out").exists()

    @pytest.mark.parametrize("own_splits", [False, True])
    def test_patience_without_a_validation_split(
        self, tiny_recipe: seqkit.Recipe, text_file: Path, own_splits: bool
    ) -> None:
        recipe = tiny_recipe.with_data({"train": str(text_file)}) if own_splits else tiny_recipe
        with pytest.raises(BudgetError) as caught:
            seqkit.train(recipe.override(["data.split=1,0,0", "train.patience=3"]), "out")
        assert str(caught.value) == (
            "train.patience=3 watches the validation loss, but there is no such split.\n  Give it one, for "
            "instance data.split=0.8,0.1,0.1, or leave the patience out: train.patience=none."
        )
        assert not Path("out").exists()

    def test_a_head_that_does_not_fit(self, tiny_recipe: seqkit.Recipe) -> None:
        with pytest.raises(ContractError, match="head 'none'"):
            seqkit.train(tiny_recipe.override(["model.head=none"]), "out")

    def test_a_divergence_ends_with_the_step(self, tiny_recipe: seqkit.Recipe) -> None:
        overrides = ["train.learning_rate=1e38", "train.clip_norm=inf", "train.optimizer=sgd"]
        with pytest.raises(NonFiniteError, match=r"at step \d+; training stopped before"):
            seqkit.train(tiny_recipe.override(overrides), "out")

    @pytest.mark.ci
    def test_a_training_that_ends_higher_than_it_began_is_reported(
        self, tiny_recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
    ) -> None:
        change = ["train.learning_rate=100", "train.optimizer=sgd", "train.clip_norm=inf"]
        run = seqkit.train(tiny_recipe.override(change), "out")
        assert "the loss of training ended higher than it began" in caplog.text
        assert run.provenance["ended_higher"] is True
        caplog.clear()
        assert seqkit.train(tiny_recipe, "good").provenance["ended_higher"] is False
        assert "ended higher" not in caplog.text


class TestLoading:
    @pytest.mark.ci
    def test_in_another_process_it_generates_the_same(self, tiny_recipe: seqkit.Recipe) -> None:
        run = seqkit.train(tiny_recipe, "out")
        program = "import seqkit; print(ascii(seqkit.load('out').generate('the ')))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ascii(run.generate("the "))

    def test_it_reads_the_run_directory_only(self, tiny_recipe: seqkit.Recipe, text_file: Path) -> None:
        run = seqkit.train(tiny_recipe, "out")
        text_file.unlink()
        loaded = seqkit.load("out")
        assert loaded.generate("a") == run.generate("a")
        assert loaded.score("the cat").bits_per_char == run.score("the cat").bits_per_char
        assert loaded.recipe.tables() == run.recipe.tables()
        with pytest.raises(SourceError, match="no such file"):
            loaded.evaluate()

    def test_before_its_first_row_there_are_no_metrics(self, run: seqkit.Run) -> None:
        (run.path / "metrics.jsonl").unlink()
        assert seqkit.load("out").metrics == []

    def test_nothing_in_it_is_pickled(self, run: seqkit.Run) -> None:
        suffixes = {path.suffix for path in run.path.rglob("*") if path.is_file()}
        assert suffixes == {".toml", ".json", ".jsonl", ".safetensors", ".png"}

    def test_a_path_that_is_not_a_run_is_refused(self, workdir: Path, run: seqkit.Run) -> None:
        with pytest.raises(RunError, match="there is no run directory nowhere"):
            seqkit.load("nowhere")
        with pytest.raises(
            RunError,
            match=r"there is no recipe.toml in it.\n  It contains runs; choose one of them: .*out",
        ):
            seqkit.load(workdir)
        (run.path / "tokenizer.json").write_text("{")
        with pytest.raises(RunError, match=r"tokenizer.json cannot be read"):
            seqkit.load("out")

    @pytest.mark.parametrize(
        "other", ["{}", "[1, 2]", '{"words": ["a"]}', '{"characters": 3, "errors": "x"}']
    )
    def test_a_tokenizer_of_another_kind_is_refused(self, run: seqkit.Run, other: str) -> None:
        (run.path / "tokenizer.json").write_text(other)
        with pytest.raises(
            RunError, match="tokenizer.json is not the file of a 'char' tokenizer, which the run's"
        ):
            seqkit.load("out")

    def test_a_last_row_that_was_cut_off_is_left_out(self, run: seqkit.Run) -> None:
        rows = run.metrics
        with (run.path / "metrics.jsonl").open("a") as file:
            file.write('{"step": 99, "lo')
        assert run.metrics == rows


class TestUsing:
    def test_missing_options_come_from_the_recipe(self, run: seqkit.Run) -> None:
        assert len(run.generate()) == 40
        assert len(run.generate(max_tokens=7)) == 7
        assert run.generate("a", seed=1) != run.generate("a", seed=2)
        stream = run.stream("a")
        assert isinstance(stream, Iterator)
        assert "".join(stream) == run.generate("a")

    def test_several_texts(self, run: seqkit.Run) -> None:
        texts = run.generate("the ", num=3, seed=7)
        assert texts == [run.generate("the ", seed=seed) for seed in (7, 8, 9)]
        assert len(set(texts)) == 3
        assert run.generate("the ", num=3, seed=7) == texts
        assert run.generate(num=1) == [run.generate()]
        assert len(set(run.generate(num=3, seed=None))) == 3
        for options, said in (({"num": 0}, "num must be 1"), ({"num": 2, "seed": 2**63 - 1}, "seed must be")):
            with pytest.raises(SamplingError, match=said):
                run.generate(**options)

    def test_the_penalty_of_the_recipe_is_used(self, run: seqkit.Run) -> None:
        assert run.generate(repetition_penalty=30.0, temperature=0) != run.generate(temperature=0)
        recipe = run.recipe.override(["sample.repetition_penalty=30", "sample.temperature=0"]).resolve()
        other = TextRun(run.path, recipe, run.tokenizer, run.model)
        assert other.generate() == run.generate(repetition_penalty=30.0, temperature=0)

    def test_each_text_of_a_list_is_scored(self, run: seqkit.Run) -> None:
        texts = ["the cat", "a dog ran"]
        scores = run.score(texts)
        assert [score.tokens for score in scores] == [7, 9]
        assert [score.bits_per_char for score in scores] == [run.score(text).bits_per_char for text in texts]
        assert run.score(tuple(texts))[1].tokens == 9
        assert run.score([]) == []
        assert run.score(iter(texts)).tokens == 16  # pieces of one text
        with pytest.raises(SourceError, match="there is no text to score"):
            run.score(["a", ""])

    def test_evaluate_reads_a_whole_split(self, run: seqkit.Run) -> None:
        metrics = run.evaluate()
        assert (metrics["split"], metrics["state"]) == ("test", "carry")
        assert metrics["tokens"] == run.provenance["data"]["splits"]["test"]["tokens"]
        last = [row for row in run.metrics if row["split"] == "validation"][-1]
        assert run.evaluate("validation")["loss"] == pytest.approx(last["loss"], abs=1e-6)
        with pytest.raises(SourceError, match="there is no dev split; available: train, validation, test"):
            run.evaluate("dev")

    def test_carried_evaluation_does_not_depend_on_the_batch_size(self, tiny_recipe: seqkit.Recipe) -> None:
        run = seqkit.train(tiny_recipe, "out")
        other = run.recipe.override(["train.batch_size=3"]).resolve()
        same = TextRun(run.path, other, run.tokenizer, run.model)
        assert same.evaluate() == run.evaluate()

    @pytest.mark.parametrize("state", ["carry", "reset"])
    @pytest.mark.parametrize(
        "length", [900, *(pytest.param(length, marks=pytest.mark.ci) for length in (40, 19_000))]
    )
    def test_evaluation_does_not_use_the_shape_of_training(
        self,
        tiny_recipe: seqkit.Recipe,
        text_file: Path,
        state: str,
        length: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It uses few batches, independent of those of training, and gives the same numbers."""
        change = [f"train.state={state}", "train.batch_size=2", "train.seq_len=8", "train.steps=3"]
        run = seqkit.train(tiny_recipe.override(change), "out")
        Path("part.txt").write_text(text_file.read_text()[:length])
        shapes: list[torch.Size] = []
        forward = SequenceModel.forward

        def counting(self: SequenceModel, inputs: torch.Tensor, *args: Any) -> Any:
            shapes.append(inputs.shape)
            return forward(self, inputs, *args)

        monkeypatch.setattr(SequenceModel, "forward", counting)
        metrics = [run.evaluate(data="part.txt")]
        assert len(shapes) <= 2
        monkeypatch.setattr("seqkit.tasks.text.EVALUATION_POSITIONS", 0)  # the shape of training
        metrics.append(run.evaluate(data="part.txt"))
        assert len(shapes) >= 2 + (length > 1000) * 50
        assert metrics[0]["loss"] == pytest.approx(metrics[1]["loss"], rel=1e-5)
        assert metrics[0]["tokens"] == metrics[1]["tokens"]

    def test_another_file_is_read_with_the_settings_of_the_recipe(self, tiny_recipe: seqkit.Recipe) -> None:
        Path("latin.txt").write_text("né\n" * 400, "latin-1")
        recipe = tiny_recipe.with_data("latin.txt").override(["source.encoding=latin-1", "train.steps=1"])
        run = seqkit.train(recipe, "out")
        assert run.evaluate(data="latin.txt")["unknown_characters"] == 0

    def test_evaluate_another_file(self, run: seqkit.Run) -> None:
        Path("other.txt").write_text("the cat sat ☃\n" * 30)
        metrics = run.evaluate(data="other.txt")
        assert (metrics["split"], metrics["tokens"], metrics["unknown_characters"]) == ("all", 420, 30)

    def test_changed_data_is_reported(
        self, run: seqkit.Run, text_file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            run.evaluate()
        assert "changed" not in caplog.text
        text_file.write_text(text_file.read_text() + "more\n")
        run.evaluate()
        assert "the data has changed since the run was trained" in caplog.text

    def test_results_are_plain_json(self, run: seqkit.Run) -> None:
        json.dumps([run.metrics, run.provenance, run.evaluate()])


class TestInterrupt:
    class Interrupt:
        def step_finished(self, trainer: Any, step: int, metrics: dict[str, float]) -> None:
            if step == 15:
                raise KeyboardInterrupt

    @pytest.mark.parametrize("evaluate_every", [10, 20])
    def test_what_was_trained_is_kept(
        self, tiny_recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture, evaluate_every: int
    ) -> None:
        recipe = tiny_recipe.override([f"train.evaluate_every={evaluate_every}"])
        with pytest.raises(KeyboardInterrupt):
            seqkit.train(recipe, "out", callbacks=[self.Interrupt()])
        assert "interrupted at step 15; everything is saved in out" in caplog.text
        run = seqkit.load("out")
        assert run.generate("the ")
        assert run.provenance["ended_by"] == "SIGINT"
        assert (run.path / "loss.png").exists()
        kept = [path.name for path in sorted((run.path / "checkpoints").iterdir())]
        assert kept == (["step-00000010", "step-00000015"] if evaluate_every == 10 else ["step-00000015"])
        assert run.metrics[-1]["step"] == 15
        last = read_manifest(run.path / "checkpoints/step-00000015")
        assert (last.step, last.validation_loss) == (15, None)  # that of step 10 is not its own
        assert last.can_be_resumed


def test_the_recipe_of_a_run_keeps_its_name(tiny_recipe: seqkit.Recipe) -> None:
    seqkit.train(tiny_recipe.override(["train.steps=1"]), "runs/mine")
    for given in ("runs/mine/recipe.toml", "runs/mine"):
        assert seqkit.Recipe.load(given).name == "mine"
    assert str(seqkit.train("runs/mine").path) == "runs/mine-2"
    with pytest.raises(RunError, match=r"no run directory mine. Did you mean runs/mine\?"):
        seqkit.load("mine")


class TestDocuments:
    @pytest.fixture
    def names(self, workdir: Path) -> seqkit.Recipe:
        names = [f"{a}{b}{c}" for a in ("an", "be", "li", "mo") for b in "aeiou" for c in ("na", "ra", "s")]
        (workdir / "names.txt").write_text("\n".join(names * 20), "utf-8")
        return (
            seqkit.Recipe.load("names")
            .with_data("names.txt")
            .override(
                ["~train.minutes", "train.steps=120", "train.warmup_steps=5", "train.learning_rate=1e-2"]
            )
        )

    @pytest.mark.ci
    def test_new_documents_end_with_their_end_token(self, names: seqkit.Recipe) -> None:
        run = seqkit.train(names, "out")
        assert run.tokenizer.decode([run.tokenizer.end_id]) == "\n"  # the line end
        texts = [run.generate(seed=seed) for seed in range(20)]
        assert all(0 < len(text) < 12 for text in texts)
        assert run.copies(20, most_characters=1).generated == 1
        short = run.copies(20, max_tokens=1)
        assert (short.generated, short.copies) == (20, 0)
        assert short.cut + short.new == 20  # a document of one token is over, or it is cut
        copies = run.copies(20)
        assert (copies.generated, copies.distinct) == (20, len(set(texts)))
        again = seqkit.load("out")
        assert [again.generate(seed=seed) for seed in range(3)] == texts[:3]
        assert again.evaluate("test")["loss"] == pytest.approx(run.evaluate("test")["loss"], rel=1e-6)
        assert again.evaluate(data="names.txt")["loss"] > 0

    def test_a_run_on_joined_text_has_no_documents_to_count(self, run: seqkit.Run) -> None:
        with pytest.raises(SourceError, match='data.documents="apart"'):
            run.copies(5)

    @pytest.mark.ci
    def test_the_seeds_of_a_run_see_one_split(self, names: seqkit.Recipe) -> None:
        first = seqkit.train(names, "a").provenance["data"]
        second = seqkit.train(names.override(["train.seed=5"]), "b").provenance["data"]
        assert first["splits"] == second["splits"]
        other = seqkit.train(names.override(["data.seed=5"]), "c").provenance["data"]
        assert first["splits"] != other["splits"]


class TestAnswers:
    def test_pieces_are_scored_as_the_whole(self, run: seqkit.Run) -> None:
        whole = run.score("the cat sat on the mat")
        assert run.score(iter(["the cat ", "sat on", " the mat"])).bits_per_char == whole.bits_per_char
        (block,) = run.score_blocks("the cat sat on the mat")
        assert block.bits.tolist() == whole.surprisal.tolist()

    def test_the_interval_of_an_evaluation(self, run: seqkit.Run, text_file: Path) -> None:
        metrics = run.evaluate(data=text_file)
        low, high = metrics["loss_interval_95"]
        assert low < metrics["loss"] < high
        assert run.evaluate(data=text_file)["loss_interval_95"] == [low, high]
        # Twenty times the text: the same hard and easy lines, so that the mean is known better.
        Path("more.txt").write_text(text_file.read_text() * 20)
        more = run.evaluate(data="more.txt")["loss_interval_95"]
        assert more[1] - more[0] < (high - low) / 2

    def test_what_is_copied_is_found(self, run: seqkit.Run, text_file: Path) -> None:
        train = "".join(run.training_text())
        assert text_file.read_text().startswith(train)
        found = run.novelty(f"something new, {train[1000:1070]}")
        assert (found.spans[0].text, found.spans[0].offset) == (
            train[1000:1070],
            train.find(train[1000:1070]),
        )
        assert run.novelty("something new").copied == 0
        assert run.novelty(train[1000:1010], shortest=10).copied == 10

    def test_data_that_has_changed_is_reported(
        self, run: seqkit.Run, text_file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        text_file.write_text(text_file.read_text() + "more\n")
        run.novelty("the cat")
        assert "the data has changed since the run was trained: this is another train split" in caplog.text

    def test_states_of_every_layer(self, tiny_recipe: seqkit.Recipe) -> None:
        run = seqkit.train(tiny_recipe.override(["model.layers=2", "train.steps=2"]), "out")
        states = run.states("the cat")
        assert (states.text, states.values.shape, states.layer) == ("the cat", (7, 16), 1)
        assert run.states("the cat", layer=0).layer == 0
        states.plot(3, "unit.png")
        assert Path("unit.png").read_bytes().startswith(b"\x89PNG")
