"""A kind of task that seqkit does not know, written as a third-party plugin: one task, one source."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import seqkit
from seqkit.cli import cli
from seqkit.errors import PluginError, RecipeError, RunError, SourceError, WrongKindError
from seqkit.plugin import Source, SourceConfig, SourcePlugin, Task, TaskPlugin
from seqkit.registry import registry_with

PLUGIN = Path("echo.py")
TEXT = """
import torch
from seqkit.data import Batch
from seqkit.plugin import (
    Config, Sizes, Source, SourceConfig, SourcePlugin, Task, TaskData, TaskPlugin, hookimpl
)


class EchoConfig(Config):
    delay: int = 2


class RowsConfig(SourceConfig):
    rows: int = 64
    length: int = 12


class RowSource(Source):
    def rows(self, split): ...


class Rows(RowSource):
    splits = ("train", "validation", "test")

    def __init__(self, rows, length):
        self.shape = rows, length

    @property
    def fingerprint(self):
        return "rows-{}-{}".format(*self.shape)

    def rows(self, split):
        generator = torch.Generator().manual_seed(self.splits.index(split))
        return torch.randint(4, self.shape, generator=generator)


class EchoData(TaskData):
    def __init__(self, source, delay):
        self.source, self.delay = source, delay

    def _batches(self, split, size):
        inputs = self.source.rows(split)
        mask = torch.ones(inputs.shape, dtype=torch.bool)
        mask[:, : self.delay] = False
        targets = inputs.roll(self.delay, 1)
        return [Batch(*parts) for parts in zip(*(each.split(size) for each in (inputs, targets, mask)))]

    def training_batches(self, train):
        return self._batches("train", train.batch_size)

    def evaluation_batches(self, train, split):
        return self._batches(split, 32) if split in self.source.splits else None

    def describe(self):
        return {"source": self.source.fingerprint, "splits": {split: {} for split in self.source.splits}}

    def saved(self):
        return {"delay": self.delay}


class EchoTask(Task):
    def prepare(self, recipe, on_progress=None):
        return EchoData(recipe.source.entry.load()(**recipe.source.options()), recipe.own["echo"].delay)

    def sizes(self, kept):
        return Sizes(vocab_size=4)


@hookimpl
def seqkit_sources():
    return [SourcePlugin("rows", RowsConfig, Rows)]


@hookimpl
def seqkit_tasks():
    return [
        TaskPlugin(
            "echo", RowSource, EchoTask, encoders=("one_hot",), heads=("linear",), tables={"echo": EchoConfig}
        )
    ]
"""
RECIPE = """
[source]
use = "rows"
[echo]
delay = 1
[cell]
use = "rnn"
hidden_size = 24
[train]
batch_size = 16
epochs = 60
learning_rate = 1e-2
"""


@pytest.fixture(autouse=True)
def files(workdir: Path) -> None:
    PLUGIN.write_text(TEXT)
    Path("echo.toml").write_text(RECIPE)


@pytest.mark.ci
def test_it_trains_saves_opens_and_evaluates() -> None:
    trained = seqkit.train("echo.toml", "run", plugins=["./echo.py"])
    assert trained.recipe.kind == "echo"
    assert json.loads(Path("run/task.json").read_text()) == {"delay": 1}
    opened = seqkit.load("run", plugins=["./echo.py"])
    assert opened.kept == {"delay": 1}
    found = opened.evaluate()
    assert found == trained.evaluate()
    assert found["loss"] < 0.05  # it is the input of the step before, and chance is 1.39
    assert found["tokens"] == 64 * 11
    assert [row["split"] for row in opened.metrics].count("validation") == 60
    with pytest.raises(WrongKindError, match="a run on echo has no 'generate'"):
        opened.generate()
    with pytest.raises(SourceError, match="there is no holiday split"):
        opened.evaluate("holiday")


@pytest.mark.ci
def test_the_command_line() -> None:
    plugin = ["-p", "./echo.py"]
    result = CliRunner().invoke(cli, ["run", "echo.toml", *plugin, "train.epochs=2", "--out", "run"])
    assert result.exit_code == 0, result.output
    assert "seqkit evaluate run -p ./echo.py" in result.output
    result = CliRunner().invoke(cli, ["evaluate", "run", *plugin])
    assert result.exit_code == 0, result.output
    assert "loss (nats per" in result.output
    result = CliRunner().invoke(cli, ["evaluate", "run", "my.txt", *plugin])
    assert result.exit_code == 2
    result = CliRunner().invoke(
        cli, ["run", "echo.toml", *plugin, "train.epochs=2", "--seeds", "2", "--out", "runs"]
    )
    assert result.exit_code == 0, result.output
    assert "validation, 2 seeds" in result.output
    result = CliRunner().invoke(cli, ["show", "echo.toml", *plugin])
    assert "[echo]\ndelay = 1" in result.output


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.seed=3", "[data]: is for recipes on text, and the source 'rows' gives echo"),
        ("model.head=gaussian", "model.head: 'gaussian' is not for echo; choose from: linear"),
        ("model.encoder=raw", "model.encoder: 'raw' is not for echo; choose from: one_hot"),
        ("echo.dealy=2", "echo.dealy: unknown key"),
        ("source.use=text", "[echo]: is for recipes on echo, and the source 'text' gives text"),
    ],
)
def test_faults(override: str, expected: str) -> None:
    registry = registry_with(["./echo.py"])
    with pytest.raises(RecipeError) as caught:
        seqkit.Recipe.load("echo.toml").override([override]).resolve(registry)
    assert expected in str(caught.value)


def test_the_users_data_is_named_in_the_recipe() -> None:
    registry = registry_with(["./echo.py"])
    with pytest.raises(RecipeError, match=r"--data: a recipe for echo takes its data from \[source\] only"):
        seqkit.Recipe.load("echo.toml").with_data("my.txt").resolve(registry)


def test_a_source_of_no_kind() -> None:
    class Other(Source):
        fingerprint = "other"

    class OtherConfig(SourceConfig):
        pass

    registry = registry_with([SourcePlugin("other", OtherConfig, Other)])
    recipe = seqkit.Recipe(source={"use": "other"}, cell={"use": "rnn"})
    with pytest.raises(RecipeError, match=r"source.use: Other is not a source of any kind of task"):
        recipe.resolve(registry)


def test_a_function_has_to_say_what_it_opens() -> None:
    def opened() -> Any: ...

    class NoConfig(SourceConfig):
        pass

    registry = registry_with([SourcePlugin("opened", NoConfig, opened)])
    recipe = seqkit.Recipe(source={"use": "opened"}, cell={"use": "rnn"})
    with pytest.raises(RecipeError, match="its declaration does not say what the function returns"):
        recipe.resolve(registry)
    given = SourcePlugin("opened", NoConfig, opened, gives="seqkit.sources:TextSource")
    assert recipe.resolve(registry_with([given])).kind == "text"


def test_a_task_without_heads_is_a_fault() -> None:
    task = TaskPlugin("none", Source, Task, encoders=("raw",), heads=())
    with pytest.raises(PluginError, match="declares the task 'none' without heads"):
        registry_with([task])


class TestBroken:
    """A faulty third-party declaration does not change the other recipes."""

    def given(self, **changes: object) -> TaskPlugin:
        options = {"encoders": ("one_hot",), "heads": ("linear",), **changes}
        return TaskPlugin(**{"name": "odd", "source": Source, "target": Task, **options})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"tables": None}, "with tables None, which is not a mapping"),
            ({"tables": {"train": SourceConfig}}, "'train' in tables, which every recipe already has"),
            ({"tables": {"a.b": SourceConfig}}, "'a.b' in tables, which is not a name"),
            ({"components": {"cell": "rnn"}}, "'cell' in components, which every recipe already has"),
            ({"encoders": "one_hot"}, "with encoders 'one_hot', which is not a tuple"),
            ({"seeds": "3"}, "with seeds '3'"),
            ({"run": "nowhere.at:all"}, "there is no module nowhere.at"),
        ],
    )
    def test_a_fault_of_the_declaration(self, changes: dict[str, object], expected: str) -> None:
        with pytest.raises(PluginError) as caught:
            registry_with([self.given(**changes)])
        assert expected in str(caught.value)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"name": "text"}, "declares the task 'text', which exists already"),
            ({"tables": {"data": SourceConfig}}, "with the table 'data', which text has"),
            ({"components": {"reader": "a"}}, "a component 'reader', but there is no such kind"),
            ({"source": "json:dumps"}, "which is not a class"),
            ({"source": "seqkit.sources:Nope"}, "seqkit.sources has no Nope"),
        ],
    )
    def test_a_clash(self, changes: dict[str, object], expected: str) -> None:
        with pytest.raises((PluginError, RecipeError)) as caught:
            seqkit.Recipe.load("quickstart").resolve(registry_with([self.given(**changes)]))
        assert expected in str(caught.value)

    def test_a_built_in_task_keeps_its_sources(self) -> None:
        taken = self.given(source="seqkit.sources:TextSource")
        assert seqkit.Recipe.load("quickstart").resolve(registry_with([taken])).kind == "text"

    def test_two_tasks_for_one_source(self) -> None:
        again = Path("again.py")
        again.write_text(
            "import sys\nfrom seqkit.plugin import TaskPlugin, hookimpl\n"
            "echo = next(m for n, m in sys.modules.items() if n.startswith('seqkit_file_echo_'))\n"
            "@hookimpl\ndef seqkit_tasks():\n    return [TaskPlugin('again', echo.RowSource, echo.EchoTask, "
            "encoders=('one_hot',), heads=('linear',))]\n"
        )
        registry = registry_with(["./echo.py", "./again.py"])
        with pytest.raises(RecipeError, match="is a source of several tasks"):
            seqkit.Recipe.load("echo.toml").resolve(registry)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("return EchoData(", "raise KeyError(3)\n        return EchoData(", "fails in its data: KeyError: 3"),
        ('return {"delay": self.delay}', "return {1, 2}", "fails in its data: TypeError"),
        ("return Sizes(vocab_size=4)", "return None.size", "fails in its data: AttributeError"),
        ("class EchoTask(Task):", "class EchoTask(Task):\n    file = 'recipe.toml'", "keeps 'recipe.toml'"),
        ("class EchoTask(Task):", "class EchoTask(Task):\n    file = '../x.json'", "keeps '../x.json'"),
        (
            "class EchoTask(Task):",
            "class EchoTask(Task):\n    file = 'provenance.json'",
            "keeps 'provenance.json'",
        ),
        ("class EchoTask(Task):", "class EchoTask:", "is not a Task: EchoTask"),
    ],
)
def test_a_task_that_fails_is_named(old: str, new: str, expected: str, workdir: Path) -> None:
    assert old in TEXT
    PLUGIN.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(PluginError) as caught:
        seqkit.train("echo.toml", "run", plugins=["./echo.py"])
    assert expected in str(caught.value)
    assert not (workdir / "run").exists()


def test_a_run_whose_kind_has_changed() -> None:
    seqkit.train(seqkit.Recipe.load("echo.toml").override(["train.epochs=1"]), "run", plugins=["./echo.py"])
    written = Path("run/provenance.json")
    written.write_text(written.read_text().replace('"kind": "echo"', '"kind": "other"'))
    with pytest.raises(RunError, match="was trained on other, but its source is one for echo here"):
        seqkit.load("run", plugins=["./echo.py"])
