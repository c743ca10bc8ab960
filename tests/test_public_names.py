import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import seqkit
import seqkit.plugin

HEAVY = ("torch", "datasets", "pandas", "matplotlib")


def heavy_modules_after(code: str) -> str:
    program = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def test_all_is_sorted_and_complete() -> None:
    assert seqkit.__all__ == sorted(seqkit.__all__)
    assert sorted(seqkit._HOMES) == seqkit.__all__
    assert set(seqkit.__all__) <= set(dir(seqkit))
    assert seqkit.plugin.__all__ == sorted(seqkit.plugin.__all__)


def test_importing_every_submodule_shadows_no_public_name() -> None:
    before = {name: getattr(seqkit, name) for name in seqkit.__all__}
    assert not [name for name, value in before.items() if inspect.ismodule(value)]
    modules = [
        m.name for m in pkgutil.walk_packages(seqkit.__path__, "seqkit.") if m.name != "seqkit.__main__"
    ]
    for name in modules:
        importlib.import_module(name)
    assert {name: getattr(seqkit, name) for name in seqkit.__all__} == before
    assert not {name.removeprefix("seqkit.") for name in modules} & set(seqkit.__all__)


@pytest.mark.ci
def test_submodules_are_within_reach() -> None:
    assert (
        heavy_modules_after("import seqkit; seqkit.cells.RNN; seqkit.testing.CellCase; seqkit.errors")
        == "torch"
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        seqkit.trian  # noqa: B018  # the access is the test
    with pytest.raises(AttributeError, match="has no attribute 'Cel'"):
        seqkit.plugin.Cel  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import seqkit",
        "import seqkit.plugin",
        "import seqkit.recipe; seqkit.recipe.Recipe.load('quickstart').resolve()",
        (
            "from click.testing import CliRunner; from seqkit.cli import cli; "
            "assert CliRunner().invoke(cli, ['--help']).exit_code == 0"
        ),
        (
            "from click.testing import CliRunner; from seqkit.cli import cli; "
            "assert 'quickstart' in CliRunner().invoke(cli, ['ls']).output"
        ),
        (
            "from click.testing import CliRunner; from seqkit.cli import cli; "
            "assert CliRunner().invoke(cli, ['show', 'quickstart']).exit_code == 0"
        ),
    ],
)
def test_starting_up_imports_nothing_heavy(code: str) -> None:
    assert heavy_modules_after(code) == ""


@pytest.mark.ci
def test_the_check_for_heavy_modules_can_fail() -> None:
    assert heavy_modules_after("import seqkit; seqkit.Cell") == "torch"


def test_every_contract_is_within_reach_of_a_plugin() -> None:
    for name in seqkit.plugin.__all__:
        assert getattr(seqkit.plugin, name) is not None
