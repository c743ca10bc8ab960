import glob
import logging
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqkit import Recipe
from seqkit.errors import RecipeError, UnknownNameError
from seqkit.recipe import TrainConfig
from seqkit.recipe.draft import key_lines
from seqkit.recipe.overrides import parse_value

SMALL = """
description = "a test"

[source]
use = "text"
path = "data/*.txt"

[cell]
use = "rnn"
hidden_size = 12

[train]
steps = 5
"""


def write(text: str, name: str = "recipes/small.toml") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def faults(recipe: Recipe) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        recipe.resolve()
    return list(caught.value.faults)


class TestLoading:
    def test_by_name(self) -> None:
        resolved = Recipe.load("quickstart").resolve()
        assert resolved.name == "quickstart"
        assert resolved.cell.use == "rnn"

    def test_by_path_with_every_default(self) -> None:
        resolved = Recipe.load(write(SMALL)).resolve()
        assert resolved.name == "small"
        assert resolved.tokenizer.use == "char"
        assert resolved.cell.config.hidden_size == 12  # type: ignore[attr-defined]
        assert resolved.train.steps == 5
        assert resolved.train.epochs is None
        assert resolved.train.batch_size == 32
        assert resolved.data.split == (0.9, 0.05, 0.05)

    def test_without_a_budget_it_is_ten_epochs(self) -> None:
        assert Recipe.load(write(SMALL)).override(["~train.steps"]).resolve().train.epochs == 10

    def test_recipes_that_cannot_be_read(self) -> None:
        with pytest.raises(UnknownNameError, match="no recipe is called 'quick'"):
            Recipe.load("quick")
        with pytest.raises(RecipeError, match="no.toml:\n  cannot be read: No such file"):
            Recipe.load("no.toml")
        with pytest.raises(RecipeError, match=r"not valid TOML: .*line 2"):
            Recipe.load(write("[source]\nuse = \n"))

    def test_python_tables_are_the_same(self) -> None:
        recipe = Recipe(
            source={"use": "samples"},
            cell={"use": "rnn", "hidden_size": 12},
            train=TrainConfig(steps=5, seed=3),
        )
        resolved = recipe.resolve()
        assert (resolved.train.steps, resolved.train.seed, resolved.train.epochs) == (5, 3, None)


class TestPaths:
    def test_in_a_file_they_are_relative_to_it(self, workdir: Path) -> None:
        source = Recipe.load(write(SMALL)).resolve().source
        assert source.config.path == str(workdir / "recipes" / "data" / "*.txt")  # type: ignore[attr-defined]

    def test_in_an_override_they_are_relative_to_the_working_directory(self, workdir: Path) -> None:
        recipe = Recipe.load(write(SMALL)).override(["source.path=b.txt"])
        assert recipe.resolve().source.config.path == str(workdir / "b.txt")  # type: ignore[attr-defined]
        recipe = Recipe.load(write(SMALL)).override(
            ['source.path={train = "a.txt", test = ["b.txt", "/c.txt"]}']
        )
        assert recipe.resolve().source.config.path == {  # type: ignore[attr-defined]
            "train": str(workdir / "a.txt"),
            "test": [str(workdir / "b.txt"), "/c.txt"],
        }

    def test_one_split_next_to_those_of_the_file(self, workdir: Path) -> None:
        text = SMALL.replace('"data/*.txt"', '{train = "a.txt", validation = "b.txt"}')
        recipe = Recipe.load(write(text)).override(["source.path.train=mine.txt"])
        assert recipe.resolve().source.options()["path"] == {
            "train": str(workdir / "mine.txt"),
            "validation": str(workdir / "recipes" / "b.txt"),
        }

    def test_the_folder_of_a_glob_is_not_a_pattern(self, workdir: Path) -> None:
        recipe = Recipe.load(write(SMALL, "p [old]/small.toml"))
        Path("p [old]/data").mkdir()
        Path("p [old]/data/a.txt").write_text("x")
        path = recipe.resolve().source.options()["path"]
        assert glob.glob(path) == [str(workdir / "p [old]/data/a.txt")]

    def test_path_objects_are_paths(self, workdir: Path) -> None:
        recipe = Recipe(source={"use": "text", "path": [Path("a.txt"), "~nouser/b.txt"]}, cell={"use": "rnn"})
        assert recipe.resolve().source.options()["path"] == [
            str(workdir / "a.txt"),
            str(workdir / "~nouser/b.txt"),
        ]
        assert recipe.with_data(Path("c.txt")).resolve().source.options()["path"] == str(workdir / "c.txt")

    def test_with_data_keeps_how_text_is_read(self) -> None:
        recipe = Recipe.load(write(SMALL)).override(["source.encoding=latin-1"]).with_data("my.txt")
        assert recipe.resolve().source.options()["encoding"] == "latin-1"

    def test_with_data_chooses_the_source_by_what_the_file_is(self, workdir: Path) -> None:
        recipe = Recipe.load(write(SMALL)).override(["source.encoding=latin-1"])
        source = recipe.with_data("rows.jsonl").resolve().source
        assert source.use == "hf"
        assert source.options()["path"] == str(workdir / "rows.jsonl")
        assert source.options()["encoding"] is None, "the encoding of the texts is not that of the table"
        several = recipe.with_data(["b.txt", Path("a.txt")]).resolve().source
        assert several.options()["path"] == [str(workdir / "b.txt"), str(workdir / "a.txt")]

    def test_with_data_keeps_how_a_table_is_read_and_not_where_it_was(self, workdir: Path) -> None:
        table = {"use": "hf", "path": "owner/name", "name": "x", "split": {"all": "dev"}, "column": "body"}
        recipe = Recipe(source={**table, "empty": "drop"}, cell={"use": "rnn"}).with_data("my.csv")
        options = recipe.override(["source.delimiter=;"]).resolve().source.options()
        assert {key: value for key, value in options.items() if value is not None} == {
            "path": str(workdir / "my.csv"),
            "column": "body",
            "empty": "drop",
            "delimiter": ";",
            "streaming": False,
        }

    def test_with_data_of_several_kinds_is_a_fault(self) -> None:
        Path("a.txt").write_text("a")
        Path("b.jsonl").write_text("{}")
        assert faults(Recipe.load("quickstart").with_data(["a.txt", "b.jsonl"])) == [
            "--data: a.txt is a text, and b.jsonl is a table of texts.\n  Give files of one kind."
        ]
        (said,) = faults(Recipe.load("stocks").with_data(["a.csv", "b.csv"]))
        assert said == "--data: a recipe for series reads one price file, and got 2."

    def test_a_table_of_prices_stays_prices_for_series(self, workdir: Path) -> None:
        for path in ("my.csv", ["my.csv"], Path("my.csv")):
            source = Recipe.load("stocks").with_data(path).resolve().source
            assert (source.use, source.options()["path"]) == ("prices", str(workdir / "my.csv"))

    def test_a_path_without_an_ending(self) -> None:
        write(SMALL, "recipes/plain")
        assert Recipe.load("recipes/plain").resolve().train.steps == 5
        write(SMALL, "plain")
        assert Recipe.load("./plain").resolve().train.steps == 5

    def test_with_data_puts_the_users_file_in_place(self, workdir: Path) -> None:
        source = Recipe.load("quickstart").with_data("my.txt").resolve().source
        assert source.use == "text"
        assert source.options()["path"] == str(workdir / "my.txt")


class TestOverrides:
    def test_the_right_side_is_toml_or_a_string(self) -> None:
        assert parse_value("3") == 3
        assert parse_value("2e-3") == 0.002
        assert parse_value("true") is True
        assert parse_value("[0.9, 0.1, 0]") == [0.9, 0.1, 0]
        assert parse_value("my.txt") == "my.txt"
        assert parse_value("a=b") == "a=b"
        assert parse_value("") == ""
        assert parse_value('"3"') == "3"

    @given(st.text())
    def test_no_right_side_breaks_it(self, text: str) -> None:
        parse_value(text)

    def test_a_value_with_an_equals_sign_is_whole(self) -> None:
        assert Recipe.load(write(SMALL)).override(["sample.prompt=a=b"]).resolve().sample.prompt == "a=b"

    def test_later_ones_win_and_none_changes_the_original_recipe(self) -> None:
        recipe = Recipe.load(write(SMALL))
        changed = recipe.override(["train.steps=7", "train.steps=9"])
        assert changed.resolve().train.steps == 9
        assert changed.overrides == ("train.steps=7", "train.steps=9")
        assert recipe.resolve().train.steps == 5

    def test_a_fault_of_the_file_can_be_overridden(self) -> None:
        recipe = Recipe.load(write(SMALL.replace("hidden_size = 12", "hidden_size = 0")))
        assert recipe.override(["cell.hidden_size=3"]).resolve().cell.options() == {"hidden_size": 3}

    def test_use_resets_the_table(self, caplog: pytest.LogCaptureFixture) -> None:
        recipe = Recipe.load(write(SMALL)).override(["source.use=samples"])
        with caplog.at_level(logging.INFO):
            assert recipe.resolve().source.options() == {"name": "python-docs", "symbol": None}
        assert "[source] use = 'samples' does not know path: dropped" in caplog.text

    def test_the_same_use_keeps_the_table(self) -> None:
        assert Recipe.load(write(SMALL)).override(["cell.use=rnn"]).resolve().cell.options() == {
            "hidden_size": 12
        }

    @pytest.mark.parametrize("text", ["xyzzy=3", "train.steps", "~train.steps=3", "=", "~", ""])
    def test_a_malformed_one_is_a_fault(self, text: str) -> None:
        assert faults(Recipe.load(write(SMALL)).override([text])) == [
            f"{text!r}: an override has the form table.key=value, or table.key=none to leave the key out"
        ]

    def test_a_forgotten_table_is_guessed(self) -> None:
        (fault,) = faults(Recipe.load(write(SMALL)).override(["batch_size=3"]))
        assert fault.endswith("Did you mean train.batch_size=3?")
        (fault,) = faults(Recipe.load(write(SMALL)).override(["seed=3"]))
        assert fault.endswith("Did you mean train.seed=3 or data.seed=3 or sample.seed=3?")
        (fault,) = faults(Recipe.load(write(SMALL)).override(["~minutes"]))
        assert fault.endswith("Did you mean train.minutes=none?")
        (fault,) = faults(Recipe.load(write(SMALL)).override(["~prompt"]))
        assert fault.endswith("Did you mean ~sample.prompt?")  # "none" is a prompt too
        (fault,) = faults(Recipe.load(write(SMALL)).override(["hidden_size=16"]))
        assert fault.endswith("Did you mean cell.hidden_size=16?")
        (fault,) = faults(Recipe.load(write(SMALL)).override(["hiden_size=16"]))
        assert fault.endswith("Did you mean cell.hidden_size=16?")
        (fault,) = faults(Recipe.load(write(SMALL)).override(["column=text"]))
        assert fault.endswith("Did you mean source.column=text (a key of source.use=hf)?")

    def test_one_string_is_one_override_and_a_dict_is_an_error(self) -> None:
        assert Recipe.load(write(SMALL)).override("train.steps=9").resolve().train.steps == 9
        with pytest.raises(RecipeError, match="a list of 'table.key=value'"):
            Recipe.load(write(SMALL)).override({"train.steps": 9})  # type: ignore[arg-type]

    def test_removing_a_missing_key_is_a_fault(self) -> None:
        assert faults(Recipe.load(write(SMALL)).override(["~train.minutes"])) == [
            "'~train.minutes': there is no such key to remove; [train] has steps"
        ]


class TestFaults:
    def test_all_are_reported_at_once_each_with_its_place(self) -> None:
        text = SMALL.replace("hidden_size", "hiden_size").replace("steps = 5", 'steps = "5"\nstate = "keep"')
        recipe = Recipe.load(write(text + "[modle]\nlayers = 2\n")).override(
            ["train.seqlen=9", "model.dropout=1"]
        )
        assert faults(recipe) == [
            "[modle]: unknown table (small.toml:15). Did you mean 'model'?",
            "cell.hiden_size: unknown key. Did you mean 'hidden_size'? (small.toml:10)",
            "model.dropout: should be less than 1, got 1 (override 'model.dropout=1')",
            "train.steps: should be a valid integer, got '5' (small.toml:13)",
            "train.state: should be 'reset' or 'carry', got 'keep' (small.toml:14)",
            "train.seqlen: unknown key. Did you mean 'seq_len'? (override 'train.seqlen=9')",
        ]

    def test_an_unknown_table_of_an_override_is_not_the_files(self) -> None:
        assert faults(Recipe.load(write(SMALL)).override(["trian.steps=3"])) == [
            "[trian]: unknown table (override 'trian.steps=3'). Did you mean 'train'?"
        ]
        assert faults(Recipe.load(write(SMALL)).override(["~trian.steps"])) == [
            "'~trian.steps': there is no table [trian]. Did you mean 'train'?"
        ]

    def test_the_title_names_the_file(self) -> None:
        with pytest.raises(RecipeError, match=r"^1 fault in recipe small.toml:\n  train.steps"):
            Recipe.load(write(SMALL)).override(["train.steps=0"]).resolve()

    def test_an_unknown_component(self) -> None:
        recipe = Recipe.load(write(SMALL.replace('"rnn"', '"rnm"')))
        (fault,) = faults(recipe)
        assert fault == (
            "cell.use: no cell is called 'rnm' (small.toml:9). Did you mean 'rnn'?\n  Known: rnn.\n"
            f"  To use one of your own: -p FILE.py. To list those of this environment ({sys.prefix}): "
            "seqkit plugins"
        )

    def test_a_name_in_capitals(self) -> None:
        (fault,) = faults(Recipe.load(write(SMALL)).override(["cell.use=RNN"]))
        assert "no cell is called 'RNN' (override 'cell.use=RNN'). Did you mean 'rnn'?" in fault

    def test_a_key_of_another_table_or_component(self) -> None:
        (fault,) = faults(Recipe.load(write(SMALL)).override(["cell.layers=2"]))
        assert fault == "cell.layers: unknown key. Did you mean model.layers? (override 'cell.layers=2')"
        (fault,) = faults(Recipe.load(write(SMALL)).override(["source.column=text"]))
        assert fault.startswith("source.column: unknown key. It is a key of source.use=hf.")

    def test_a_missing_component_key_or_table(self) -> None:
        recipe = Recipe.load(write('[source]\nuse = "text"\n[cell]\nhidden_size = 3\n'))
        assert faults(recipe) == [
            "source.path: is required (small.toml)",
            "[cell]: needs a name, for example use = 'rnn' (small.toml)",
        ]
        assert faults(Recipe.load(write("cell = 3\n")))[0].startswith("[source]: needs a name")

    def test_a_fault_of_a_union_has_one_line(self) -> None:
        (fault,) = faults(Recipe.load(write(SMALL)).override(["source.path=3"]))
        assert fault.startswith("source.path: should be a valid string or should be a valid list or")
        assert fault.endswith(", got 3 (override 'source.path=3')")

    @pytest.mark.parametrize(
        "split", ["[1, 2, 3]", "[0.9, 0.1]", "[0, 0.5, 0.5]", "[1.1, -0.1, 0]", "[nan, 0.1, 0.1]", "0.9"]
    )
    def test_a_split_must_sum_to_one(self, split: str) -> None:
        (fault, *_) = faults(Recipe.load(write(SMALL)).override([f"data.split={split}"]))
        assert fault.startswith("data.split: ")

    def test_what_would_fail_after_training_is_a_fault_before(self) -> None:
        for override in ('sample.stop=[""]', "train.seed=99999999999999999999", "sample.temperature=nan"):
            assert len(faults(Recipe.load(write(SMALL)).override([override]))) == 1

    def test_a_separator_is_for_documents_that_are_kept_apart(self) -> None:
        recipe = Recipe.load(write(SMALL))
        (said,) = faults(recipe.override(["data.separator=%"]))
        assert said.startswith("data.separator: is for documents that are kept apart (data.documents=apart)")
        assert "one line" in faults(recipe.override(["data.documents=apart", 'data.separator="a\\nb"']))[0]
        assert recipe.override(["data.documents=apart", "data.separator="]).resolve().data.separator == ""

    def test_numbers_are_not_guessed_from_other_types(self) -> None:
        for value in ("true", '"12"', "12.0"):
            assert len(faults(Recipe.load(write(SMALL)).override([f"cell.hidden_size={value}"]))) == 1


def test_saved_and_loaded_it_is_the_same_recipe(workdir: Path) -> None:
    resolved = Recipe.load(write(SMALL)).override(["sample.top_k=5", "train.clip_norm=inf"]).resolve()
    resolved.save("out.toml")
    again = Recipe.load("./out.toml").resolve()
    assert again.tables() == resolved.tables()
    assert tomllib.loads(Path("out.toml").read_text())["train"]["batch_size"] == 32
    assert again.override(["train.steps=1"]).resolve().train.steps == 1
    assert again.with_data("x.txt").resolve().source.options()["path"] == str(workdir / "x.txt")
    Recipe.load("./out.toml").save("again.toml")
    assert Path("again.toml").read_text() == Path("out.toml").read_text()


def test_the_lines_of_keys() -> None:
    text = '# [no]\na = 1\n[b]\n  c = 2 # d = 3\n"e" = 4\n[ f ]\nc.x = 5\n[g.h]\ni = 1\n'
    lines = key_lines(text)
    assert lines["", "a"] == 2
    assert lines["b", "c"] == 4
    assert lines["f", "c"] == 7
    assert lines["g", "h"] == 8
