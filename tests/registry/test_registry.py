import tomllib

import pytest

import seqkit
from seqkit.errors import PluginError, UnknownNameError
from seqkit.plugin import CellConfig, ComponentPlugin
from seqkit.registry import Registry, default_registry


def test_the_built_ins_are_declared_through_the_hooks() -> None:
    registry = Registry(["no:*"])
    assert "rnn" in registry.names("cell")
    assert "char" in registry.names("tokenizer")
    assert {"samples", "text"} <= set(registry.names("source"))
    entry = registry.component("cell", "rnn")
    assert (entry.origin.distribution, entry.origin.version) == ("seqkit", seqkit.__version__)


@pytest.mark.parametrize("kind", ["cell", "tokenizer", "source"])
def test_every_target_exists(kind: str) -> None:
    for name in default_registry().names(kind):
        declaration = default_registry().component(kind, name).declaration
        assert callable(declaration.load())
        assert declaration.config.__doc__


def test_every_recipe_resolves_and_has_a_description() -> None:
    assert {"quickstart", "char-rnn"} <= set(default_registry().names("recipe"))
    for name in default_registry().names("recipe"):
        path = default_registry().recipe(name).declaration.path
        assert tomllib.loads(path.read_text("utf-8"))["description"]
        seqkit.Recipe.load(name).resolve()


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match=r"no cell is called 'rrn' \(a.toml:2\). Did you mean 'rnn'"):
        default_registry().component("cell", "rrn", "a.toml:2")
    with pytest.raises(UnknownNameError, match="no recipe is called 'quikstart'. Did you mean 'quickstart'"):
        default_registry().recipe("quikstart")


def test_a_target_is_not_imported_before_it_is_loaded() -> None:
    declaration = ComponentPlugin("x", CellConfig, "no_such_module:Thing")
    with pytest.raises(PluginError, match="ModuleNotFoundError: No module named 'no_such_module'"):
        declaration.load()
