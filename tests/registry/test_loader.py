import itertools
import sys
from pathlib import Path

import pytest

import seqkit
from seqkit.cli import check
from seqkit.errors import PluginConflictError, PluginError, RecipeError, UnknownNameError
from seqkit.plugin import (
    CellConfig,
    CellPlugin,
    RecipePlugin,
    SourceConfig,
    SourcePlugin,
    TokenizerConfig,
    TokenizerPlugin,
    hookimpl,
)
from seqkit.registry import Registry
from tests.registry.installed import LEAKY, cell_module, install

number = itertools.count()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def module() -> str:
    """A name that no other test has imported."""
    return f"seqkit_test_{next(number)}"


def findings(registry: Registry, name: str) -> str:
    return "\n".join(next(report for report in registry.reports if report.name == name).findings)


class TestInstalled:
    def test_a_cell_is_found_and_its_module_is_not_imported(self, site: Path, module: str) -> None:
        install(
            site, "seqkit-x", {module: cell_module("leaky", f"{module}_cell:Leaky"), f"{module}_cell": LEAKY}
        )
        registry = Registry()
        entry = registry.component("cell", "leaky")
        assert (entry.origin.distribution, entry.origin.version) == ("seqkit-x", "1.0")
        assert entry.origin.path == str(site / f"{module}.py")
        assert f"{module}_cell" not in sys.modules
        assert entry.declaration.load()(3, hidden_size=4).hidden_size == 4
        assert registry.component("cell", "seqkit-x:leaky") is entry

    def test_a_broken_one_does_not_stop_seqkit_and_is_reported(self, site: Path, module: str) -> None:
        install(site, "seqkit-broken", {module: "raise RuntimeError('no luck')\n"})
        registry = Registry()
        assert registry.component("cell", "rnn")
        report = next(report for report in registry.reports if report.name == module)
        assert report.status == "failed"
        assert f"RuntimeError: no luck ({site / module}.py:1)" in report.findings[0]
        with pytest.raises(UnknownNameError, match=rf"failed to load: {module}; see: seqkit plugins"):
            registry.component("cell", "nothing")

    def test_one_that_exits_does_not_stop_seqkit(self, site: Path, module: str) -> None:
        install(site, "seqkit-exits", {module: "raise SystemExit(3)\n"})
        assert "SystemExit: 3" in findings(Registry(), module)

    def test_two_distributions_may_share_an_entry_point_name(self, site: Path, module: str) -> None:
        for index, name in enumerate(("a", "b")):
            install(
                site,
                f"seqkit-{name}",
                {f"{module}_{index}": cell_module(f"cell-{name}", "os:path")},
                entry_points={"same": f"{module}_{index}"},
            )
        assert {"cell-a", "cell-b"} <= set(Registry().names("cell"))

    def test_two_that_clash_are_an_error_when_they_are_needed(self, site: Path, module: str) -> None:
        for index, name in enumerate(("a", "b")):
            install(site, f"seqkit-{name}", {f"{module}_{index}": cell_module("same", "os:path")})
        registry = Registry()
        assert registry.component("cell", "rnn")
        with pytest.raises(PluginConflictError) as caught:
            registry.component("cell", "same", "a.toml:3")
        assert str(caught.value) == (
            "the cell 'same' is declared by seqkit-a and by seqkit-b (a.toml:3).\n"
            '  Choose one: use = "seqkit-a:same", or block the other: -p no:seqkit-b'
        )
        assert registry.component("cell", "seqkit-b:same").origin.distribution == "seqkit-b"
        assert Registry(["no:seqkit-b"]).component("cell", "same").origin.distribution == "seqkit-a"
        assert "'same' of seqkit_cells is also declared by seqkit-b" in findings(registry, f"{module}_0")

    def test_an_installed_one_cannot_replace_a_built_in(self, site: Path, module: str) -> None:
        install(site, "seqkit-x", {module: cell_module("rnn", "os:path")})
        registry = Registry()
        assert registry.component("cell", "rnn").origin.distribution == "seqkit"
        assert registry.component("cell", "seqkit-x:rnn").origin.distribution == "seqkit-x"
        assert "'rnn' of seqkit_cells is also declared by seqkit" in findings(registry, module)

    @pytest.mark.parametrize("by", ["entry point", "distribution", "all"])
    def test_blocked_it_is_not_imported(self, site: Path, module: str, by: str) -> None:
        install(site, "seqkit-x", {module: cell_module("leaky", "os:path")})
        block = {"entry point": module, "distribution": "seqkit-x", "all": "*"}[by]
        registry = Registry([f"no:{block}"])
        assert module not in sys.modules
        assert next(report for report in registry.reports if report.name == module).status == "blocked"
        assert "leaky" not in registry.names("cell")

    def test_the_environment_blocks_too(
        self, site: Path, module: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install(site, "seqkit-x", {module: cell_module("leaky", "os:path")})
        monkeypatch.setenv("SEQKIT_DISABLE_PLUGINS", "other, seqkit-x")
        assert "leaky" not in Registry().names("cell")
        assert module not in sys.modules

    def test_a_requirement_that_is_not_met(self, site: Path, module: str) -> None:
        install(site, "seqkit-x", {module: cell_module("leaky", "os:path")}, requires=("torch", "seqkit>=99"))
        registry = Registry()
        assert module not in sys.modules
        assert "it requires seqkit>=99, and this is seqkit" in findings(registry, module)

    def test_a_requirement_that_is_met(self, site: Path, module: str) -> None:
        requires = ("seqkit>=0.1", "seqkit-other", 'seqkit>=99; python_version < "3"')
        install(site, "seqkit-x", {module: cell_module("leaky", "os:path")}, requires=requires)
        assert "leaky" in Registry().names("cell")

    def test_an_import_at_declaration_is_reported(self, site: Path, module: str) -> None:
        install(site, "seqkit-x", {module: "import torch.nn as nn\n" + cell_module("leaky", "os:path")})
        registry = Registry()
        assert "leaky" in registry.names("cell")
        assert (
            "it imports torch when it is declared, which slows down every command; name the class lazily"
            in findings(registry, module)
        )


class TestFindings:
    @pytest.mark.parametrize(
        ("text", "finding"),
        [
            (
                "from seqkit.plugin import hookimpl\n@hookimpl\ndef seqkit_cell(): return []\n",
                "there is no hook seqkit_cell. Did you mean 'seqkit_cells'?",
            ),
            (
                "def seqkit_cells(): return []\n",
                "seqkit_cells is not marked with @hookimpl, so it is not called",
            ),
            (
                "from seqkit.plugin import hookimpl\n@hookimpl\ndef seqkit_run_started(runn): pass\n",
                "Argument(s) {'runn'} are declared in the hookimpl but can not be found in the hookspec",
            ),
            (
                "from seqkit.plugin import hookimpl\n@hookimpl\ndef seqkit_cells(): return 1 / 0\n",
                "raises in seqkit_cells: ZeroDivisionError: division by zero",
            ),
            (
                "from seqkit.plugin import hookimpl\n@hookimpl\ndef seqkit_cells(): return ['rnn']\n",
                "declares 'rnn', which is not a CellPlugin",
            ),
            (
                "from seqkit.plugin import hookimpl\n@hookimpl(wrapper=True)\ndef seqkit_cells(): yield\n",
                "seqkit_cells is a wrapper, so it is not called: a declaration hook returns a list",
            ),
            (
                cell_module("My Cell", "os:path"),
                "declares the name 'My Cell'; a name consists of lower-case letters",
            ),
            (
                cell_module("x", "no_such_module:Thing"),
                "'no_such_module:Thing', but there is no module no_such_module",
            ),
            (
                cell_module("x", "os.path"),
                "with the target 'os.path'; it must be a class, or \"module:attribute\"",
            ),
            (
                cell_module("x", "os:path").replace("(CellConfig)", "(CellConfig, extra='allow')"),
                "declares 'x' with Config, which must be frozen and forbid extra keys",
            ),
            (
                cell_module("x", "os:path").replace("(CellConfig)", "(CellConfig, frozen=False)"),
                "declares 'x' with Config, which must be frozen and forbid extra keys",
            ),
            (
                cell_module("x", "os:path").replace('Config, "os', 'dict, "os'),
                "with the config <class 'dict'>, which is not a subclass of Config",
            ),
            (
                cell_module("x", "os:path").replace("decay: float = 0.9", "use: int = 3"),
                "declares 'x' with a field 'use', which recipes reserve for the name of the component",
            ),
        ],
    )
    def test_each_fault_is_reported_and_does_not_stop_seqkit(
        self, site: Path, module: str, text: str, finding: str
    ) -> None:
        install(site, "seqkit-x", {module: text})
        registry = Registry()
        assert finding in findings(registry, module)
        assert "x" not in registry.names("cell")
        assert registry.component("cell", "rnn").origin.distribution == "seqkit"

    def test_a_recipe_that_is_not_there(self) -> None:
        with pytest.raises(
            PluginError, match="declares the recipe 'mine', but there is no file nowhere.toml"
        ):
            Registry([RecipePlugin("mine", Path("nowhere.toml"))])

    def test_a_fault_of_a_given_plugin_is_an_error_at_once(self, workdir: Path) -> None:
        (workdir / "mine.py").write_text(cell_module("x", "no_such_module:Thing"))
        with pytest.raises(
            PluginError, match=r"'mine.py' cannot be used: it declares 'x' .* no module no_such"
        ):
            Registry(["mine.py"])

    def test_findings_on_a_given_plugin_are_logged(
        self, workdir: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        text = cell_module("x", "os:path") + "\n\n@hookimpl\ndef seqkit_evaluatd(step): pass\n"
        (workdir / "mine.py").write_text(text)
        assert "x" in Registry(["mine.py"]).names("cell")
        assert "mine.py: there is no hook seqkit_evaluatd. Did you mean 'seqkit_evaluated'?" in caplog.text

    def test_a_target_whose_attribute_does_not_exist_is_an_error_when_it_is_built(
        self, site: Path, module: str
    ) -> None:
        install(
            site, "seqkit-x", {module: cell_module("leaky", f"{module}_cell:Leakey"), f"{module}_cell": LEAKY}
        )
        declaration = Registry().component("cell", "leaky").declaration
        with pytest.raises(PluginError, match=rf"{module}_cell has no Leakey. Did you mean 'Leaky'"):
            declaration.load()

    def test_a_target_whose_module_fails_is_an_error_when_it_is_built(self, site: Path, module: str) -> None:
        install(
            site, "seqkit-x", {module: cell_module("leaky", f"{module}_cell:X"), f"{module}_cell": "1 / 0\n"}
        )
        with pytest.raises(PluginError, match="cannot be imported: ZeroDivisionError: division by zero"):
            Registry().component("cell", "leaky").declaration.load()


class TestBroken:
    """A name whose declaration is faulty raises the error of its plugin, with the reason."""

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (
                cell_module("leaky", "no_such_module:Thing"),
                "declares 'leaky' with the target 'no_such_module:Thing', but there is no module no_such",
            ),
            (
                cell_module("leaky", "os:path").replace("decay: float = 0.9", "use: int = 3"),
                "declares 'leaky' with a field 'use', which recipes reserve for the name of the component",
            ),
        ],
    )
    def test_a_cell_whose_declaration_is_faulty(
        self, site: Path, module: str, text: str, reason: str
    ) -> None:
        install(site, "seqkit-x", {module: text})
        registry = Registry()
        said = f"the cell 'leaky' (a.toml:3) cannot be used: the plugin '{module}' of seqkit-x 1.0 {reason}"
        for name in ("leaky", "seqkit-x:leaky"):
            with pytest.raises(PluginError) as caught:
                registry.component("cell", name, "a.toml:3")
            assert str(caught.value).startswith(said)
            assert str(caught.value).endswith(f"fix the plugin: {site / module}.py")
        with pytest.raises(PluginError, match="the cell 'leaky' cannot be used: the plugin"):
            check._kind_of("leaky", registry)  # of `seqkit check leaky`
        with pytest.raises(UnknownNameError):
            registry.component("cell", "seqkit-y:leaky")
        with pytest.raises(UnknownNameError):
            registry.component("tokenizer", "leaky")
        recipe = seqkit.Recipe.load("quickstart", registry).override(["cell.use=leaky", "cell.decay=0.5"])
        with pytest.raises(
            RecipeError, match="1 fault in .*\n  cell.use: the cell 'leaky' .* cannot be used"
        ):
            recipe.resolve(registry)

    def test_a_cell_whose_module_fails(self, site: Path, module: str) -> None:
        install(
            site, "seqkit-x", {module: cell_module("leaky", f"{module}_cell:X"), f"{module}_cell": "1 / 0\n"}
        )
        entry = Registry().component("cell", "leaky")
        with pytest.raises(
            PluginError, match="^the plugin seqkit-x 1.0 fails: the module of 'leaky', .*ZeroDiv"
        ):
            entry.load()

    def test_a_plugin_that_failed_is_named_with_its_reason(self, site: Path, module: str) -> None:
        install(site, "seqkit-exits", {module: "raise SystemExit(3)\n"})
        with pytest.raises(UnknownNameError, match=rf"; see: seqkit plugins\n  {module}: SystemExit: 3"):
            Registry().component("cell", "nosuch")

    def test_an_unknown_name_has_a_hint(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            Registry(["no:*"]).component("cell", "nosuch")
        hint = (
            f"To use one of your own: -p FILE.py. To list those of this environment ({sys.prefix}): "
            "seqkit plugins"
        )
        assert str(caught.value).splitlines()[2].strip() == hint

    def test_a_first_party_name_in_capitals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("seqkit.registry.loader._entry_points", list)
        with pytest.raises(UnknownNameError, match="'lstm' comes with the plugin seqkit-gated: pip install"):
            Registry().component("cell", "LSTM")


class TestGiven:
    def test_a_file(self, workdir: Path, module: str) -> None:
        text = LEAKY + cell_module(module, "x:X").replace('"x:X"', "Leaky")
        (workdir / "mycell.py").write_text(text)
        origin = Registry(["./mycell.py"]).component("cell", module).origin
        assert origin.distribution == "mycell.py"
        assert origin.source_text == text
        assert origin.sha256 is not None
        assert origin.version == origin.sha256[:12]
        assert Registry(["mycell.py"]).component("cell", f"mycell.py:{module}")
        assert module not in Registry().names("cell")

    def test_a_file_that_changed_is_read_again(self, workdir: Path) -> None:
        for name in ("one", "two"):
            (workdir / "mycell.py").write_text(cell_module(name, "os:path"))
            assert name in Registry(["./mycell.py"]).names("cell")

    def test_a_module(self, site: Path, module: str) -> None:
        (site / f"{module}.py").write_text(cell_module("leaky", "os:path"))
        assert Registry([module]).component("cell", "leaky").origin.distribution == module

    def test_an_installed_module_that_is_given_as_well(self, site: Path, module: str) -> None:
        install(site, "seqkit-x", {module: cell_module("leaky", "os:path")})
        assert Registry([module]).component("cell", "leaky").origin.distribution == "seqkit-x"

    def test_a_declaration(self) -> None:
        class Config(CellConfig):
            hidden_size: int = 4

        registry = Registry(
            [CellPlugin("mine", Config, dict), TokenizerPlugin("mine", TokenizerConfig, list)]
        )
        assert registry.component("cell", "mine").declaration.load() is dict
        assert registry.component("tokenizer", "mine").declaration.load() is list

    def test_a_declaration_of_a_class_that_is_derived(self) -> None:
        class Mine(CellPlugin):
            pass

        class MyTokenizer(TokenizerPlugin):
            pass

        class MySource(SourcePlugin):
            pass

        class MyRecipe(RecipePlugin):
            pass

        Path("mine.toml").write_text("")
        registry = Registry(
            [
                Mine("mine", CellConfig, dict),
                MyTokenizer("mine", TokenizerConfig, list),
                MySource("mine", SourceConfig, set),
                MyRecipe("mine", Path("mine.toml")),
            ]
        )
        assert registry.component("cell", "mine").declaration.load() is dict
        assert registry.component("tokenizer", "mine").declaration.load() is list
        assert registry.component("source", "mine").declaration.load() is set
        assert registry.recipe("mine").declaration.path == Path("mine.toml")

    def test_a_given_one_with_a_built_in_name_must_be_chosen(self) -> None:
        registry = Registry([CellPlugin("rnn", CellConfig, dict)])
        with pytest.raises(PluginConflictError, match="the cell 'rnn' is declared by python and by seqkit"):
            registry.component("cell", "rnn")
        assert registry.component("cell", "python:rnn").declaration.load() is dict

    def test_an_object_with_hooks(self) -> None:
        class Plugin:
            @hookimpl
            def seqkit_cells(self) -> list[CellPlugin]:
                return [CellPlugin("mine", CellConfig, dict)]

        assert "mine" in Registry([Plugin()]).names("cell")

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("./nowhere.py", "the plugin file nowhere.py cannot be read: No such file"),
            ("no_such_module", "the plugin module 'no_such_module' cannot be loaded: ModuleNotFoundError"),
            ("json", "the plugin 'json' implements no hook."),
            ("./text.txt", "is not a Python file: its name must end in .py"),
        ],
    )
    def test_what_cannot_be_loaded_is_an_error(self, workdir: Path, given: str, message: str) -> None:
        (workdir / "text.txt").write_text("x")
        with pytest.raises(PluginError, match=message):
            Registry([given])

    def test_the_error_of_a_file_that_fails_names_the_line(self, workdir: Path) -> None:
        (workdir / "bad.py").write_text("import os\n1 / 0\n")
        with pytest.raises(PluginError, match=r"bad.py cannot be loaded: ZeroDivisionError: .*bad.py:2\)"):
            Registry(["bad.py"])
        (workdir / "undecorated.py").write_text("def seqkit_cells(): return []\n")
        with pytest.raises(
            PluginError, match=r"implements no hook. seqkit_cells is not marked with @hookimpl"
        ):
            Registry(["undecorated.py"])


def test_the_error_for_a_first_party_name_names_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = "'lstm' comes with the plugin seqkit-gated, which is blocked"
    with pytest.raises(UnknownNameError, match=blocked):
        Registry(["no:seqkit-gated"]).component("cell", "lstm")
    monkeypatch.setattr("seqkit.registry.loader._entry_points", list)
    with pytest.raises(
        UnknownNameError, match="'lstm' comes with the plugin seqkit-gated: pip install seqkit-gated"
    ):
        Registry().component("cell", "lstm")
