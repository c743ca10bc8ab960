"""A training that begins with the weights of another run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import seqkit
from seqkit.errors import RunError, SourceError
from tests.inprocess import command
from tests.run.test_resume import StopAt, content
from tests.run.test_series import price_file
from tests.run.test_series import recipe as series_recipe

STILL = ["train.steps=1", "train.learning_rate=1e-30"]
"""A training that changes no weight."""


def with_new_characters(path: Path) -> str:
    """The text, with characters in its training split that it did not have."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    new = path.with_name("new.txt")
    new.write_text("".join(f"Ä{line}" if row < 60 else line for row, line in enumerate(lines)), "utf-8")
    return str(new)


def same_losses(first: seqkit.Run, second: seqkit.Run, data: str | None = None) -> bool:
    found = [{**run.evaluate("validation", **({"data": data} if data else {}))} for run in (first, second)]
    return bool(found[0]["loss"] == found[1]["loss"])


TEXTS = [
    pytest.param([], id="one-hot"),
    pytest.param(
        ["model.encoder=embedding", "model.layers=2", "data.documents=lines"],
        id="embedding, documents apart",
        marks=pytest.mark.ci,
    ),
    pytest.param(["tokenizer.use=word", "train.state=reset"], id="words", marks=pytest.mark.ci),
]


@pytest.mark.parametrize("changes", TEXTS)
def test_a_step_that_changes_nothing_gives_the_numbers_of_the_other_run(
    tiny_recipe: seqkit.Recipe, changes: list[str]
) -> None:
    recipe = tiny_recipe.override(changes)
    old = seqkit.train(recipe, "old")
    new = seqkit.train(recipe.override(STILL), "new", init_from="old")
    assert same_losses(old, new)
    assert new.metrics[-1]["loss"] == min(row["loss"] for row in old.metrics if row["split"] == "validation")
    assert new.tokenizer.to_json() == old.tokenizer.to_json()
    origin = new.provenance["from"]
    assert (Path(origin["path"]), origin["step"]) == (Path("old").resolve(), 30)
    assert old.generate("the ") == new.generate("the ")


@pytest.mark.parametrize("changes", TEXTS)
def test_an_extended_vocabulary_gives_the_same_numbers_on_the_old_text(
    tiny_recipe: seqkit.Recipe, text_file: Path, changes: list[str]
) -> None:
    recipe = tiny_recipe.override(changes)
    old = seqkit.train(recipe, "old")
    text = with_new_characters(text_file)
    new = seqkit.train(recipe.with_data(text).override(STILL), "new", init_from="old", extend_vocabulary=True)
    added = new.tokenizer.vocab_size - old.tokenizer.vocab_size
    assert added >= 1
    assert new.tokenizer.knows("Äthe" if "tokenizer.use=word" in changes else "Ä")
    plain = text_file.read_text("utf-8")
    assert new.tokenizer.decode(new.tokenizer.encode(plain)) == plain
    assert same_losses(old, new, data=str(text_file))
    ends = [run.tokenizer.end_id for run in (old, new)]
    places = [ends[1] if index == ends[0] else index for index in range(old.tokenizer.vocab_size)]
    for name, value in old.model.state_dict().items():
        wider = new.model.state_dict()[name]
        for dim in range(value.dim()):
            if wider.shape[dim] != value.shape[dim]:
                wider = wider.index_select(dim, torch.tensor(places))
        assert wider.equal(value), name
    opened = seqkit.load("new")
    assert opened.tokenizer.encode(plain).tolist() == new.tokenizer.encode(plain).tolist()


@pytest.mark.ci
def test_new_tokens_are_learned(tiny_recipe: seqkit.Recipe, text_file: Path) -> None:
    recipe = tiny_recipe.override(["cell.hidden_size=96", "train.learning_rate=0.005"])
    seqkit.train(recipe, "old")
    recipe = recipe.with_data(with_new_characters(text_file)).override(["train.steps=300"])
    new = seqkit.train(recipe, "new", init_from="old", extend_vocabulary=True)
    Path("one.txt").write_text("Äthe cat sat on the mat and looked at the moon, said 0.\n" * 20, "utf-8")
    kept = seqkit.train(recipe, "kept", init_from="old")
    assert new.evaluate(data="one.txt")["bits_per_char"] < kept.evaluate(data="one.txt")["bits_per_char"]


@pytest.mark.ci
def test_a_scaler_is_kept_and_the_dates_are_those_of_the_new_rows(workdir: Path) -> None:
    recipe = series_recipe(source={"use": "prices", "path": price_file("a.csv", 700)})
    old = seqkit.train(recipe, "old")
    new = seqkit.train(recipe.override(STILL), "new", init_from="old")
    rows = [[row["loss"] for row in run.metrics if row["split"] == "validation"] for run in (old, new)]
    assert rows[1] == [min(rows[0])]
    longer = recipe.with_data(price_file("b.csv", 900)).override(["train.epochs=1"])
    run = seqkit.train(longer, "longer", init_from="old")
    was, now = (json.loads(Path(name, "series.json").read_text()) for name in ("old", "longer"))
    assert was["symbols"] == now["symbols"]
    assert was["test_from"] < now["test_from"]
    assert run.evaluate("test")
    shorter = longer.override(["series.split=0.3,0.1,0.6"])
    with pytest.raises(SourceError, match=r"its report would be too good.\n  Set series.validation_from="):
        seqkit.train(shorter, "shorter", init_from="old")
    with pytest.raises(SourceError, match="the run was not trained on 'Y', so it has no scale for it"):
        seqkit.train(recipe.with_data(price_file("y.csv", 900, ("Y",))), "y", init_from="old")
    with pytest.raises(RunError, match="a run on series has no vocabulary that could be extended"):
        seqkit.train(recipe, "x", init_from="old", extend_vocabulary=True)


def test_another_model_is_refused(tiny_run: str, tiny_recipe: seqkit.Recipe) -> None:
    for change, said in (
        ("cell.hidden_size=8", f"cell.hidden_size: 16 in {tiny_run}, 8 in the recipe"),
        ("model.encoder=embedding", "model.encoder: 'one_hot' in"),
        ("model.layers=2", "model.layers: 1 in"),
        ("data.documents=lines", "data.documents: 'joined' in"),
    ):
        with pytest.raises(RunError, match="belong to another model") as caught:
            seqkit.train(tiny_recipe.override([change]), "new", init_from=tiny_run)
        assert said in str(caught.value)
    with pytest.raises(RunError, match="its kind: 'text' in"):
        seqkit.train(series_recipe(), "new", init_from=tiny_run)
    with pytest.raises(RunError, match="there is no run directory nowhere"):
        seqkit.train(tiny_recipe, "new", init_from="nowhere")
    with pytest.raises(RunError, match="to extend the vocabulary of a run, give its directory"):
        seqkit.train(tiny_recipe, "new", extend_vocabulary=True)
    assert not Path("new").exists()


CONCATENATES = """
import torch
from torch import nn
from seqkit.cells import Cell
from seqkit.plugin import CellConfig, CellPlugin, hookimpl

class Joined(Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.both = nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch_size):
        return self.both.weight.new_zeros(batch_size, self.hidden_size)

    def step(self, x, h):
        h = torch.tanh(self.both(torch.cat([x, h], -1)))
        return h, h

class JoinedConfig(CellConfig):
    hidden_size: int = 12

@hookimpl
def seqkit_cells():
    return [CellPlugin("joined", JoinedConfig, Joined)]
"""


@pytest.mark.ci
def test_a_cell_whose_rows_are_not_those_of_tokens_is_refused(
    tiny_recipe: seqkit.Recipe, text_file: Path
) -> None:
    Path("joined.py").write_text(CONCATENATES, "utf-8")
    recipe = tiny_recipe.override(["cell.use=joined", "~cell.hidden_size", "train.steps=3"])
    plugins: dict[str, Any] = {"plugins": ["./joined.py"]}
    seqkit.train(recipe, "old", **plugins)
    with pytest.raises(RunError, match=r"cannot be extended: the weight cell.both.weight has the shape"):
        seqkit.train(
            recipe.with_data(with_new_characters(text_file)),
            "new",
            init_from="old",
            extend_vocabulary=True,
            **plugins,
        )
    assert not Path("new").exists()
    apart = recipe.override(["model.encoder=embedding"])
    seqkit.train(apart, "apart", **plugins)
    more = apart.with_data(with_new_characters(text_file))
    seqkit.train(more, "wider", init_from="apart", extend_vocabulary=True, **plugins)


@pytest.mark.ci
def test_it_is_resumed_with_the_tokenizer_that_it_began_with(
    tiny_recipe: seqkit.Recipe, text_file: Path
) -> None:
    seqkit.train(tiny_recipe, "old")
    recipe = tiny_recipe.with_data(with_new_characters(text_file)).override(["train.save_every=6"])
    options: dict[str, Any] = {"init_from": "old", "extend_vocabulary": True}
    seqkit.train(recipe, "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        seqkit.train(recipe, "cut", resume=True, **options, callbacks=[StopAt(12, KeyboardInterrupt())])
    seqkit.train(recipe, "cut", resume=True, **options)
    assert content("cut") == content("whole")
    seqkit.resume("cut")
    with pytest.raises(RunError, match="it began with those of .*old, not with those of .*whole"):
        seqkit.train(recipe, "cut", resume=True, init_from="whole")
    seqkit.train(recipe, "alone")
    with pytest.raises(RunError, match="it began with weights of its own, not with those of"):
        seqkit.train(recipe, "alone", resume=True, init_from="old")


@pytest.mark.ci
def test_the_command_line(tiny_run: str, text_file: Path) -> None:
    text = with_new_characters(text_file)
    done = command(
        *("run", f"./{tiny_run}", "--data", text, "--from", tiny_run, "--extend-vocabulary"),
        *("--out", "new", "train.steps=5"),
    )
    assert done.returncode == 0, done.stderr
    assert "1 more tokens: 'Ä'" in done.stderr
    assert "it begins with the weights of" in done.stderr
    assert "trained from scratch" not in done.stderr
    lacks = command("run", f"./{tiny_run}", "--data", text, "--from", tiny_run, "train.steps=5")
    assert "characters of the train split that the vocabulary lacks: 60 (" in lacks.stderr
    refused = command("run", "quickstart", "--data", text, "--from", tiny_run)
    assert refused.returncode == 2
    assert f"run's own recipe: seqkit run ./{tiny_run} --from {tiny_run} --data FILE" in refused.stderr
