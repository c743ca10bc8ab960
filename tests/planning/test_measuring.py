import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqkit
from seqkit import resources
from seqkit.errors import NonFiniteError, RecipeError, SourceError
from seqkit.planning import measuring, plan
from seqkit.plugin import CellPlugin
from tests.bench.test_cells import WIDE


class TestPlan:
    def test_its_figures_are_those_of_the_run(self, tiny_recipe: seqkit.Recipe) -> None:
        recipe = tiny_recipe.override(["~train.steps", "train.epochs=0.35", "train.evaluate_every=10"])
        found = plan(recipe)
        run = seqkit.train(recipe, "out")
        provenance = run.provenance
        assert found.parameters == provenance["parameters"]
        assert found.cell_parameters + found.head_parameters == found.parameters  # one-hot: no encoder
        assert found.vocabulary.size == run.tokenizer.vocab_size
        assert found.engine == provenance["engine"] == "fused"
        assert (found.device, found.threads) == ("cpu", 1)
        for split, counts in provenance["data"]["splits"].items():
            assert found.splits[split].tokens == counts["tokens"]
        assert found.expected.steps == provenance["steps"]
        assert found.expected.ended_by == provenance["ended_by"] == "0.35 epochs"
        rows = [row for row in run.metrics if row["split"] == "validation"]
        assert found.expected.evaluations == len(rows) == 4
        newest = max(run.path.glob("checkpoints/*"))
        size = sum(file.stat().st_size for file in newest.glob("*.safetensors"))
        assert found.memory.checkpoint * 1e6 == pytest.approx(size, abs=4000)  # with headers and the state

    def test_its_figures_are_consistent(self, tiny_recipe: seqkit.Recipe) -> None:
        found = plan(tiny_recipe)
        assert found.speed.timed_steps >= 5
        tokens = found.speed.step_ms / 1000 * found.speed.tokens_per_s
        assert tokens == pytest.approx(found.tokens_per_step, rel=0.1)  # 8 x 20, fewer at the end of an epoch
        assert found.speed.evaluation_s is not None
        assert found.memory.weights == pytest.approx(found.parameters * 4 / 1e6)
        assert found.memory.optimizer == pytest.approx(2 * found.memory.weights, rel=0.01)  # Adam's moments
        assert found.memory.growth is not None
        assert found.memory.process is not None
        assert found.memory.process > found.memory.growth > 0

    @pytest.mark.ci
    def test_a_larger_model_takes_more_memory(self, tiny_recipe: seqkit.Recipe) -> None:
        large = plan(tiny_recipe.override(["cell.hidden_size=1500"])).memory
        small = plan(tiny_recipe).memory
        assert large.growth is not None
        assert small.growth is not None
        assert large.growth > small.growth + large.weights + large.optimizer

    def test_nothing_is_written_but_the_cache(self, tiny_recipe: seqkit.Recipe, workdir: Path) -> None:
        before = torch.get_rng_state()
        plan(tiny_recipe)
        assert [path.name for path in workdir.iterdir()] == ["my.txt"]
        assert {path.name for path in (workdir.parent / "cache").iterdir()} == {
            *("corpora", "texts", "tokenizers")
        }
        assert list((workdir.parent / "cache" / "texts").iterdir()) == []
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("state", ["reset", "carry"])
    @pytest.mark.ci
    def test_documents_apart_and_cells_of_plugins(self, tiny_recipe: seqkit.Recipe, state: str) -> None:
        changes = ["data.documents=lines", "cell.use=lstm", "cell.hidden_size=8", "model.layers=2"]
        recipe = tiny_recipe.override([*changes, f"train.state={state}"])
        found = plan(recipe, plugins=["seqkit_gated"])
        assert (found.cell, found.engine) == ("lstm", "fused")
        assert found.parameters > found.cell_parameters > 2 * 4 * 8 * 8
        assert "cell.hidden_size" in found.sizes

    @pytest.mark.ci
    def test_the_names_of_the_recipe_names(self, text_file: Path) -> None:
        found = plan(seqkit.Recipe.load("names").with_data(str(text_file)).override(["train.batch_size=4"]))
        assert (found.recipe, found.expected.ended_by) == ("names", "1 minute")
        assert found.expected.total_s == pytest.approx(60, abs=2)

    @pytest.mark.parametrize("engine", ["loop", "fused"])
    @pytest.mark.ci
    def test_the_engine_is_that_of_the_recipe(self, tiny_recipe: seqkit.Recipe, engine: str) -> None:
        assert plan(tiny_recipe.override([f"model.engine={engine}"])).engine == engine

    @pytest.mark.ci
    def test_a_cell_without_a_size(self, tiny_recipe: seqkit.Recipe) -> None:
        sizeless = CellPlugin("sizeless", WIDE.config, WIDE.target)  # it has no field `hidden_size`
        found = plan(tiny_recipe.override(["cell.use=sizeless"]), plugins=[sizeless])
        assert set(found.sizes) == {"model.dropout", "train.batch_size", "train.seq_len"}
        found = plan(tiny_recipe.override(["cell.use=wide"]), plugins=[WIDE])
        assert found.sizes["cell.width"] == 4

    @pytest.mark.ci
    def test_as_a_dict_it_has_plain_values(self, tiny_recipe: seqkit.Recipe) -> None:
        described = plan(tiny_recipe).as_dict()
        assert json.loads(json.dumps(described)) == described
        assert set(described["splits"]) == {"train", "validation", "test"}

    def test_the_progress_of_tokenising_is_reported(self, tiny_recipe: seqkit.Recipe) -> None:
        class Listener:
            reported: list[int] = []

            def text_tokenised(self, characters: int, total: int | None) -> None:
                self.reported.append(characters)

        plan(tiny_recipe, callbacks=[Listener()])
        assert Listener.reported


class TestMistakes:
    def test_they_are_those_of_train(self, tiny_recipe: seqkit.Recipe) -> None:
        with pytest.raises(RecipeError, match="Did you mean 'hidden_size'"):
            plan(tiny_recipe.override(["cell.hiden_size=3"]))
        Path("short.txt").write_text("abcd\n")
        with pytest.raises(
            SourceError, match="has 5 tokens, less than one window of train.seq_len = 20"
        ) as caught:
            plan(tiny_recipe.with_data("short.txt").override(["data.split=[1,0,0]"]))
        assert "a smaller window: train.seq_len=2." in str(caught.value)
        assert plan(
            tiny_recipe.with_data("short.txt").override(["data.split=[1,0,0]", "train.seq_len=2"])
        ).steps_per_epoch

    def test_a_divergence_is_an_error_before_the_run(self, tiny_recipe: seqkit.Recipe) -> None:
        wild = ["train.learning_rate=1e38", "train.clip_norm=inf", "train.optimizer=sgd"]
        with pytest.raises(NonFiniteError, match="Try a lower learning rate"):
            plan(tiny_recipe.override(wild))


class TestMemory:
    def test_if_the_system_does_not_report_it(
        self, tiny_recipe: seqkit.Recipe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resources, "peak_is_known", lambda: False)
        monkeypatch.setattr(resources, "available", lambda: None)
        memory = plan(tiny_recipe).memory
        assert (memory.growth, memory.process, memory.available) == (None, None, None)

    def test_on_a_gpu_it_is_what_torch_allocated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        held = [10e6]
        functions: dict[str, Any] = {
            "mem_get_info": lambda device: (80e9, 85e9),
            "reset_peak_memory_stats": lambda device: None,
            "memory_allocated": lambda device: held[0],
            "max_memory_allocated": lambda device: held[0],
        }
        for name, function in functions.items():
            monkeypatch.setattr(torch.cuda, name, function)
        growth = measuring._peak_growth(lambda: held.__setitem__(0, 50e6), torch.device("cuda"))
        assert growth == (40, 80_000)


def test_ids_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "COUNTED_AT_ONCE", 3)
    ids = np.array([0, 2, 2, 2, 1, 2, 0], dtype=np.uint8)
    assert measuring.count_ids(ids, 4).tolist() == [2, 1, 4, 0]
