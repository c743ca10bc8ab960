"""Plugins from end to end: found, configured, trained, reopened; and the message if one is missing."""

import inspect
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import seqkit
from seqkit.errors import ContractError, MissingPluginError, PluginError
from seqkit.plugin import Cell, CellConfig, CellPlugin, hookimpl
from seqkit.registry import hookspecs
from tests.conftest import sign_again
from tests.forked import run_seqkit
from tests.inprocess import command
from tests.registry.installed import LEAKY, cell_module, install

SINGLE_FILE = """\
import torch
from torch import nn
from seqkit.plugin import Cell, CellConfig, CellPlugin, hookimpl

class Config(CellConfig):
    hidden_size: int = 16

class MyCell(Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.mix = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, x, state):
        state = torch.tanh(self.mix(torch.cat([x, state], dim=1)))
        return state, state

@hookimpl
def seqkit_cells(): return [CellPlugin("mycell", Config, MyCell)]
"""
QUICK = ["train.steps=10", "train.batch_size=4", "train.seq_len=10", "train.evaluate_every=5"]


def new_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in a new process, which looks for installed plugins again."""
    return run_seqkit(*arguments)


class TestSingleFile:
    @pytest.fixture(autouse=True)
    def file(self, workdir: Path) -> None:
        assert len([line for line in SINGLE_FILE.splitlines() if line.strip()]) <= 20
        (workdir / "mycell.py").write_text(SINGLE_FILE)

    @pytest.mark.ci
    def test_it_trains_and_is_reopened_with_p(self, text_file: Path) -> None:
        data = ("--data", str(text_file), "--out", "out")
        done = command("run", "quickstart", "-p", "./mycell.py", "cell.use=mycell", *data, *QUICK)
        assert done.returncode == 0, done.stderr
        assert "training quickstart: MyCell" in done.stderr
        generated = command("generate", "out", "the", "-p", "./mycell.py", "--max-tokens", "9")
        assert len(generated.stdout) == len("the") + 9 + 1
        refused = command("generate", "out", "the")
        assert refused.returncode == 2
        assert "comes from the single-file plugin mycell.py (SHA-256 " in refused.stderr
        assert "-p mycell.py" in refused.stderr
        shown = command("show", "out")
        assert shown.returncode == 0
        assert 'use = "mycell"' in shown.stdout

    def test_its_text_is_kept_and_never_run(self, text_file: Path, tiny_recipe: seqkit.Recipe) -> None:
        run = seqkit.train(tiny_recipe.override(["cell.use=mycell"]), "out", plugins=["./mycell.py"])
        kept = run.path / "plugins" / "mycell.py"
        assert kept.read_text() == SINGLE_FILE
        kept.write_text("raise SystemExit('it was run')")
        with pytest.raises(MissingPluginError, match=r"Its text is in out/plugins/mycell.py, for reading"):
            seqkit.load("out")
        assert seqkit.load("out", plugins=["mycell.py"]).generate("a") == run.generate("a")

    def test_a_file_that_has_changed_is_reported(
        self, workdir: Path, tiny_recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
    ) -> None:
        seqkit.train(tiny_recipe.override(["cell.use=mycell"]), "out", plugins=["./mycell.py"])
        seqkit.load("out", plugins=["./mycell.py"])
        assert "has changed" not in caplog.text
        (workdir / "mycell.py").write_text(SINGLE_FILE + "# more\n")
        seqkit.load("out", plugins=["./mycell.py"])
        assert "mycell.py has changed since the run was trained" in caplog.text


class TestInstalled:
    @pytest.mark.ci
    def test_it_is_configured_trained_and_reopened(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text_file: Path
    ) -> None:
        site = tmp_path / "site"
        modules = {
            "seqkit_leaky": cell_module("leaky", "seqkit_leaky_cell:Leaky"),
            "seqkit_leaky_cell": LEAKY,
        }
        install(site, "seqkit-leaky", modules)
        monkeypatch.setenv("PYTHONPATH", str(site))
        run = ("run", "quickstart", "--data", str(text_file), "cell.use=leaky", *QUICK)
        wrong = new_process(*run, "cell.deccay=0.5")
        assert wrong.returncode == 2
        assert "cell.deccay: unknown key. Did you mean 'decay'?" in wrong.stderr
        assert new_process(*run, "cell.decay=0.5", "--out", "out").returncode == 0
        components = json.loads(new_process("show", "out", "--json").stdout)["provenance"]["components"]
        assert components["cell"] == {"use": "leaky", "distribution": "seqkit-leaky", "version": "1.0"}
        assert new_process("generate", "out", "a").returncode == 0
        assert "29 of 29 checks ran, 29 passed" in new_process("check", "leaky").stdout
        schema = json.loads(new_process("schema").stdout)
        assert any("decay" in choice["properties"] for choice in schema["properties"]["cell"]["oneOf"])

        monkeypatch.delenv("PYTHONPATH")
        missing = new_process("generate", "out", "a")
        assert missing.returncode == 2
        assert (
            "This run needs the plugin distribution 'seqkit-leaky' (version 1.0). "
            "Install it only if you trust it." in missing.stderr
        )
        assert 'use = "leaky"' in new_process("show", "out").stdout

    def test_another_version_is_reported(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        tiny_recipe: seqkit.Recipe,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        seqkit.train(tiny_recipe, "out")
        path = Path("out/provenance.json")
        provenance = json.loads(path.read_text())
        provenance["components"]["cell"]["version"] = "0.0.9"
        path.write_text(json.dumps(provenance))
        for place in Path("out/checkpoints").iterdir():
            sign_again(place)
        seqkit.load("out")
        assert (
            "the cell 'rnn' comes from seqkit 0.1.0, but the run was trained with seqkit 0.0.9" in caplog.text
        )

    @pytest.mark.ci
    def test_broken_plugins_do_not_stop_a_run_that_needs_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = tmp_path / "site"
        install(site, "seqkit-raises", {"raises": "raise RuntimeError('no luck')\n"})
        install(site, "seqkit-heavy", {"heavy": "import torch\n" + cell_module("heavy", "os:path")})
        for name in ("one", "two"):
            install(site, f"seqkit-{name}", {name: cell_module("same", "os:path")})
        monkeypatch.setenv("PYTHONPATH", str(site))
        for arguments in (("--help",), ("ls",), ("run", "quickstart", "train.steps=2", "train.seq_len=5")):
            done = new_process(*arguments)
            assert done.returncode == 0, done.stderr
        listed = json.loads(new_process("plugins", "--json").stdout)
        findings = "\n".join(found["finding"] for found in listed["findings"])
        assert "RuntimeError: no luck" in findings
        assert "it imports torch when it is declared" in findings
        assert "'same' of seqkit_cells is also declared by seqkit-two" in findings
        status = {row["name"]: row["status"] for row in listed["plugins"]}
        assert status["raises"] == "failed"
        table = new_process("plugins").stdout
        assert "failed" in table
        assert "no luck" in table
        clash = new_process("run", "quickstart", "cell.use=same")
        assert clash.returncode == 2
        assert 'use = "seqkit-one:same", or block the other: -p no:seqkit-two' in clash.stderr
        blocked = json.loads(new_process("plugins", "-p", "no:raises", "--json").stdout)["plugins"]
        assert {"raises", "gated"} <= {row["name"] for row in blocked if row["status"] == "blocked"}

    @pytest.mark.parametrize("verb", ["plugins", "ls"])
    def test_listing_ten_plugins_imports_nothing_heavy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        site = tmp_path / "site"
        for index in range(10):
            modules = {
                f"ten_{index}": cell_module(f"cell-{index}", f"ten_{index}_cell:Leaky"),
                f"ten_{index}_cell": LEAKY,
            }
            install(site, f"seqkit-ten-{index}", modules)
        monkeypatch.setenv("PYTHONPATH", str(site))
        program = (
            "import sys\nfrom click.testing import CliRunner\nfrom seqkit.cli import cli\n"
            f"result = CliRunner().invoke(cli, [{verb!r}])\nassert result.exit_code == 0\n"
            "heavy = [n for n in sys.modules if n in ('torch', 'datasets') or n.endswith('_cell')]\n"
            "print(result.output.count('cell-'), heavy)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ("10 []" if verb == "plugins" else "0 []")

    def test_a_plugin_adds_a_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = """
        import click
        from seqkit.plugin import hookimpl

        @hookimpl
        def seqkit_commands(cli):
            @cli.command("hello")
            def hello():
                "Say hello."
                click.echo("hello from a plugin")
        """
        install(tmp_path / "site", "seqkit-hello", {"seqkit_hello": text})
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
        assert new_process("hello").stdout == "hello from a plugin\n"
        assert "Say hello." in new_process("--help").stdout


def test_a_class_in_memory_trains_into_a_full_run(tiny_recipe: seqkit.Recipe) -> None:
    class Config(CellConfig):
        hidden_size: int = 8

    class Notebook(Cell):
        def __init__(self, input_size: int, hidden_size: int) -> None:
            super().__init__()
            self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
            self.mix = nn.Linear(input_size + hidden_size, hidden_size)

        def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            state = torch.tanh(self.mix(torch.cat([x, state], 1)))
            return state, state

    declaration = CellPlugin("mycell", Config, Notebook)
    run = seqkit.train(tiny_recipe.override(["cell.use=mycell"]), "out", plugins=[declaration])
    assert seqkit.load("out", plugins=[declaration]).generate("a") == run.generate("a")
    with pytest.raises(MissingPluginError, match=r"was declared in a Python program.*\n.*plugins=\[...\]"):
        seqkit.load("out")


DECLARES_ALL = """\
from pathlib import Path
import hashlib
import numpy as np
from seqkit.plugin import Piece, RecipePlugin, SourceConfig, SourcePlugin, TextSource, hookimpl
from seqkit.plugin import Tokenizer, TokenizerConfig, TokenizerPlugin

class CountingConfig(SourceConfig):
    upto: int = 500

class Counting(TextSource):
    def __init__(self, upto):
        self.upto = upto
    @property
    def fingerprint(self):
        return f"counting to {self.upto}"
    def pieces(self, split="all"):
        yield Piece("".join(f"{i}\\n" for i in range(self.upto)), True)

class Digits(Tokenizer):
    vocab_size = 128
    @classmethod
    def train(cls, pieces):
        return cls()
    def encode(self, text):
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    def decode(self, ids):
        return bytes(np.asarray(ids, dtype=np.uint8)).decode("ascii")
    def to_json(self):
        return {}
    @classmethod
    def from_json(cls, data):
        return cls()

@hookimpl
def seqkit_sources():
    return [SourcePlugin("counting", CountingConfig, Counting)]

@hookimpl
def seqkit_tokenizers():
    return [TokenizerPlugin("digits", TokenizerConfig, Digits)]

@hookimpl
def seqkit_recipes():
    return [RecipePlugin("count", Path(__file__).with_name("count.toml"))]
"""


def test_a_source_a_tokenizer_and_a_recipe_of_a_plugin_work_together(workdir: Path) -> None:
    (workdir / "counting.py").write_text(DECLARES_ALL)
    (workdir / "count.toml").write_text(
        'description = "Counts"\n[source]\nuse = "counting"\n[tokenizer]\nuse = "digits"\n'
        '[cell]\nuse = "rnn"\nhidden_size = 8\n'
    )
    assert "Counts" in command("ls", "-p", "./counting.py").stdout
    done = command("run", "count", "-p", "./counting.py", "source.upto=400", "--out", "out", *QUICK)
    assert done.returncode == 0, done.stderr
    run = seqkit.load("out", plugins=["./counting.py"])
    assert run.recipe.source.options() == {"upto": 400}
    assert run.evaluate("test")["tokens"] > 50
    assert (
        command("check", "digits", "-p", "./counting.py").returncode == 1
    )  # it knows ASCII only, and the test kit reports this


def test_an_error_that_fails_many_checks_is_reported_once(workdir: Path) -> None:
    (workdir / "faulty.py").write_text(
        "from seqkit.cells import RNN\nfrom seqkit.plugin import CellPlugin, Config, hookimpl\n\n\n"
        "class FaultyConfig(Config):\n    pass\n\n\n"
        "class Faulty(RNN):\n    def __init__(self, input_size: int) -> None:\n"
        "        raise RuntimeError('no such thing')\n\n\n"
        "@hookimpl\ndef seqkit_cells():\n    return [CellPlugin('faulty', FaultyConfig, Faulty)]\n"
    )
    done = command("check", "faulty", "-p", "./faulty.py")
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("RuntimeError: no such thing") == 1
    assert done.stdout.count("FAILED input_size_comes_first") == 1
    assert "The same error in 26 more: output_shape, " in done.stdout


class TestBehaviourHooks:
    class Watch:
        def __init__(self) -> None:
            self.calls: list[tuple[Any, ...]] = []

        @hookimpl
        def seqkit_run_started(self, run: seqkit.Run) -> None:
            assert (run.path / "recipe.toml").exists()
            self.calls.append(("started",))

        @hookimpl
        def seqkit_step_finished(self, run: seqkit.Run, step: int, metrics: dict[str, float]) -> None:
            self.calls.append(("step", step, metrics["loss"] > 0))

        @hookimpl
        def seqkit_evaluated(self, step: int, split: str, metrics: dict[str, float]) -> None:
            self.calls.append(("evaluated", step, split, "bits_per_char" in metrics))

        @hookimpl
        def seqkit_checkpoint_saved(self, run: seqkit.Run, path: Path) -> None:
            assert (path / "model.safetensors").exists()
            self.calls.append(("saved", path.name))

        @hookimpl
        def seqkit_run_finished(self, run: seqkit.Run) -> None:
            assert (run.path / "loss.png").exists()
            assert run.generate("a")
            self.calls.append(("finished",))

    def test_they_are_called_in_order(self, tiny_recipe: seqkit.Recipe) -> None:
        watch = self.Watch()
        recipe = tiny_recipe.override(["train.steps=2", "train.evaluate_every=1"])
        seqkit.train(recipe, "out", plugins=[watch], strict_plugins=True)
        assert watch.calls == [
            ("started",),
            ("step", 1, True),
            ("saved", "step-00000001"),
            ("evaluated", 1, "validation", True),
            ("step", 2, True),
            ("saved", "step-00000002"),
            ("evaluated", 2, "validation", True),
            ("finished",),
        ]

    @pytest.mark.ci
    def test_a_failure_is_logged_once_and_stops_nothing(
        self, tiny_recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Fails:
            @hookimpl
            def seqkit_step_finished(self, step: int) -> None:
                raise ValueError(f"no luck at {step}")

        with caplog.at_level(logging.ERROR):
            seqkit.train(tiny_recipe, "out", plugins=[Fails()])
        errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
        said = "the plugin Fails failed in seqkit_step_finished: ValueError: no luck at 1"
        assert errors == [f"{said} (logged once; training continues)"]
        with pytest.raises(
            PluginError, match="Fails failed in seqkit_step_finished: ValueError: no luck at 1"
        ):
            seqkit.train(tiny_recipe, "strict", plugins=[Fails()], strict_plugins=True)

    @pytest.mark.ci
    def test_watching_changes_nothing(self, tiny_recipe: seqkit.Recipe) -> None:
        plain = seqkit.train(tiny_recipe, "plain")
        watched = seqkit.train(tiny_recipe, "watched", plugins=[self.Watch()])
        assert all(map(torch.equal, plain.model.state_dict().values(), watched.model.state_dict().values()))


HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("seqkit_"))
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_exercised(hook: str) -> None:
    page = (ROOT / "docs/reference/hooks.md").read_text("utf-8")
    signature = f"{hook}{inspect.signature(getattr(hookspecs, hook))}".partition(" ->")[0]
    names = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"### `{hook}({names})`" in page, signature
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert f"def {hook}(" in tests


class TestTwoOfOneName:
    @pytest.mark.ci
    def test_of_two_files_only_one_can_be_given(self, workdir: Path) -> None:
        for folder in ("one", "two"):
            (workdir / folder).mkdir()
            (workdir / folder / "mycell.py").write_text(SINGLE_FILE + f"# {folder}\n")
        done = new_process(
            "run", "quickstart", "-p", "one/mycell.py", "-p", "two/mycell.py", "cell.use=mycell"
        )
        assert done.returncode == 2
        assert "Give only one of them." in done.stderr
        assert "one/mycell.py and by" in done.stderr

    @pytest.mark.ci
    def test_a_run_uses_the_one_that_it_was_trained_with(
        self, tmp_path: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch, text_file: Path
    ) -> None:
        (workdir / "mycell.py").write_text(SINGLE_FILE)
        run = ("run", "quickstart", "-p", "./mycell.py", "cell.use=mycell", "--data", str(text_file))
        done = new_process(*run, "--out", "out", *QUICK)
        assert "seqkit generate out" in done.stdout.replace(
            str(Path(sys.executable).with_name("seqkit")), "seqkit"
        )
        assert done.stdout.count(" -p ./mycell.py ") >= 3
        modules = {
            "seqkit_other": cell_module("mycell", "seqkit_other_cell:Leaky"),
            "seqkit_other_cell": LEAKY,
        }
        install(tmp_path / "site", "seqkit-other", modules)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
        both = new_process("generate", "out", "a", "-p", "./mycell.py")
        assert both.returncode == 0, both.stderr
        other = new_process("generate", "out", "a")
        assert (
            "the cell 'mycell' comes from seqkit-other 1.0, but the run was trained with mycell.py"
            in other.stderr
        )


def test_a_constructor_that_lacks_a_field_is_reported_and_leaves_no_files(
    workdir: Path, tiny_recipe: seqkit.Recipe
) -> None:
    (workdir / "mycell.py").write_text(
        SINGLE_FILE.replace("hidden_size: int = 16", "hidden_size: int = 16; x: int = 1")
    )
    with pytest.raises(
        ContractError, match="'mycell' does not take its own config: .*unexpected keyword argument 'x'"
    ):
        seqkit.train(tiny_recipe.override(["cell.use=mycell"]), "out", plugins=["./mycell.py"])
    (workdir / "mycell.py").write_text(SINGLE_FILE.replace("return state, state", "return state"))
    with pytest.raises(ContractError, match=r"MyCell.step must return \(output, state\)"):
        seqkit.train(tiny_recipe.override(["cell.use=mycell"]), "out", plugins=["./mycell.py"])
    assert not Path("out").exists()
