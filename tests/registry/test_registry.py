import tomllib

import pluggy
import pytest

import seqkit
from seqkit.errors import UnknownNameError
from seqkit.plugin import CellConfig, CellPlugin, ComponentPlugin, hookimpl
from seqkit.registry import Registry, default_registry, hookspecs


def test_the_built_ins_are_declared_through_the_hooks() -> None:
    registry = default_registry()
    assert registry.names("cell") == ["rnn"]
    assert registry.names("tokenizer") == ["char"]
    assert registry.names("source") == ["samples", "text"]
    entry = registry.component("cell", "rnn")
    assert (entry.distribution, entry.version) == ("seqkit", seqkit.__version__)


@pytest.mark.parametrize("kind", ["cell", "tokenizer", "source"])
def test_every_target_exists(kind: str) -> None:
    for name in default_registry().names(kind):
        declaration = default_registry().component(kind, name).declaration
        assert callable(declaration.load())
        assert declaration.config.__doc__


def test_every_recipe_resolves_and_says_what_it_does() -> None:
    assert {"quickstart", "char-rnn"} <= set(default_registry().recipes)
    for name, entry in default_registry().recipes.items():
        assert tomllib.loads(entry.declaration.path.read_text("utf-8"))["description"]
        seqkit.Recipe.load(name).resolve()


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(UnknownNameError, match=r"no cell is called 'rrn' \(a.toml:2\). Did you mean 'rnn'"):
        default_registry().component("cell", "rrn", "a.toml:2")
    with pytest.raises(UnknownNameError, match="no recipe is called 'quikstart'. Did you mean 'quickstart'"):
        default_registry().recipe("quikstart")


def test_a_stranger_declares_a_cell_as_the_built_ins_do() -> None:
    class Config(CellConfig):
        hidden_size: int = 4

    class Plugin:
        @hookimpl
        def seqkit_cells(self) -> list[CellPlugin]:
            return [CellPlugin("mine", Config, dict)]

    manager = pluggy.PluginManager("seqkit")
    manager.add_hookspecs(hookspecs)
    manager.register(Plugin(), name="pytest")  # any installed distribution
    registry = Registry(manager)
    assert registry.names("cell") == ["mine"]
    assert registry.component("cell", "mine").declaration.load() is dict


def test_a_target_is_not_imported_before_it_is_loaded() -> None:
    declaration = ComponentPlugin("x", CellConfig, "no_such_module:Thing")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        declaration.load()
