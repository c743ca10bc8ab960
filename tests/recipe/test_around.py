"""Heads and encoders of a plugin in a recipe: by name, and in a table with their settings."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import seqkit
from seqkit.cli import cli
from seqkit.errors import MissingPluginError, RecipeError
from seqkit.recipe.schema import recipe_schema
from seqkit.registry import registry_with

PLUGIN = """
import torch
from torch import nn
from seqkit.heads import CategoricalHead
from seqkit.plugin import Encoder, EncoderConfig, EncoderPlugin, HeadConfig, HeadPlugin, hookimpl


class CappedConfig(HeadConfig):
    cap: float = 15.0


class Capped(nn.Module):
    def __init__(self, input_size, output_size, cap):
        super().__init__()
        self.linear, self.cap = nn.Linear(input_size, output_size), cap

    def forward(self, hidden):
        return self.cap * torch.tanh(self.linear(hidden) / self.cap)


def capped(input_size, output_size, cap):
    return CategoricalHead(Capped(input_size, output_size, cap), output_size)


class SumsConfig(EncoderConfig):
    size: int = 5


class Sums(Encoder):
    def __init__(self, input_size, size):
        super().__init__()
        self.output_size = size
        self.table = nn.Parameter(torch.randn(input_size, size))

    def forward(self, inputs):
        return torch.tanh(self.table)[inputs]


@hookimpl
def seqkit_heads():
    return [HeadPlugin("capped", CappedConfig, capped, tasks=("text",))]


@hookimpl
def seqkit_encoders():
    return [EncoderPlugin("sums", SumsConfig, Sums, tasks=("text",))]
"""
GIVEN = ["./around.py"]


@pytest.fixture(autouse=True)
def plugin(workdir: Path) -> None:
    Path("around.py").write_text(PLUGIN)


def test_a_run_with_both(tiny_recipe: seqkit.Recipe) -> None:
    changes = ["model.head=capped", "model.head.cap=2.0", "model.encoder=sums", "model.encoder.size=3"]
    run = seqkit.train(tiny_recipe.override(changes), "run", plugins=GIVEN)
    assert run.recipe.head.config.cap == 2.0
    assert run.model.encoder.table.shape[1] == run.model.cell.input_size == 3
    opened = seqkit.load("run", plugins=GIVEN)
    assert opened.generate(seed=1) == run.generate(seed=1)
    components = run.provenance["components"]
    assert components["head"]["use"] == "capped"
    assert components["encoder"]["use"] == "sums"
    with pytest.raises(MissingPluginError, match="'(sums|capped)' of this run"):
        seqkit.load("run")
    assert 'use = "capped"' in Path("run/recipe.toml").read_text()


def test_built_in_ones_stay_strings(tiny_recipe: seqkit.Recipe) -> None:
    resolved = tiny_recipe.resolve()
    assert (resolved.encoder.use, resolved.head.use) == ("one_hot", "linear")
    assert set(resolved.components()) == {"source", "tokenizer", "cell"}
    assert 'head = "linear"' in resolved.to_toml()
    wide = tiny_recipe.override(["model.encoder=embedding", "model.embedding_size=9"]).resolve()
    assert wide.encoder.config.size == 9
    table = tiny_recipe.override(["model.encoder.use=embedding", "model.encoder.size=9"]).resolve()
    assert table.encoder.config.size == 9


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.head=capt", "model.head: no head is called 'capt'"),
        ("model.head=student_t", "choose from: linear, none, capped"),
        ("model.head.cap=3.0", "model.head.cap: unknown key"),
        ("model.encoder=raw", "choose from: one_hot, embedding, sums"),
    ],
)
def test_faults(override: str, expected: str, tiny_recipe: seqkit.Recipe) -> None:
    with pytest.raises(RecipeError) as caught:
        tiny_recipe.override([override]).resolve(registry_with(GIVEN))
    assert expected in str(caught.value)


def test_a_head_of_a_plugin_may_have_dropout(tiny_recipe: seqkit.Recipe) -> None:
    recipe = tiny_recipe.override(["model.head=capped", "model.dropout=0.1"])
    assert recipe.resolve(registry_with(GIVEN)).model.dropout == 0.1


def test_schema_and_listing() -> None:
    schema = recipe_schema(registry_with(GIVEN))
    head = schema["properties"]["model"]["properties"]["head"]
    assert "capped" in head["anyOf"][0]["enum"]
    listed = json.loads(CliRunner().invoke(cli, ["plugins", "-p", "./around.py", "--json"]).output)
    kinds = {(row["kind"], row["name"]) for row in listed["plugins"]}
    assert {("head", "capped"), ("encoder", "sums"), ("head", "linear")} <= kinds


def test_the_kit() -> None:
    for name, count in (("capped", 10), ("sums", 7)):
        result = CliRunner().invoke(cli, ["check", name, "-p", "./around.py"])
        assert f"{count} of {count} checks ran, {count} passed" in result.output
