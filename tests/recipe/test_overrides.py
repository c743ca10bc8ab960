"""Overrides that need no quotes in any shell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from seqkit import Recipe
from seqkit.plugin import Config, DataPath
from seqkit.recipe.overrides import UNSET, value_for, without_quotes
from tests.recipe.test_recipe import SMALL, faults, write


class Kinds(Config):
    number: int = 3
    maybe: float | None = None
    text: str = ""
    maybe_text: str | None = None
    choice: Literal["none", "linear"] = "linear"
    other_choice: Literal["a", "b"] = "a"
    numbers: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    fractions: tuple[float, float, float] = (0.5, 0.25, 0.25)
    texts: list[str] = Field(default_factory=list)
    one_or_more: str | list[str] | None = None
    path: DataPath = "."
    paths: DataPath | list[DataPath] | dict[str, DataPath] = "."
    maybe_path: DataPath | None = None


def value(name: str, text: str) -> Any:
    return value_for(Kinds.model_fields[name], text)


@pytest.mark.parametrize(
    "name", ["number", "maybe", "maybe_text", "other_choice", "numbers", "fractions", "texts"]
)
def test_none_leaves_a_key_out(name: str) -> None:
    assert value(name, "none") is value(name, "None") is UNSET


@pytest.mark.parametrize("name", ["text", "choice", "path", "paths"])
def test_none_is_a_text_if_the_type_takes_it(name: str) -> None:
    assert value(name, "none") == "none"


def test_in_quotes_it_is_always_a_text() -> None:
    assert value("maybe_text", '"none"') == "none"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("fractions", "0.8,0.1,0.1", [0.8, 0.1, 0.1]),
        ("fractions", "[0.8, 0.1, 0.1]", [0.8, 0.1, 0.1]),
        ("numbers", "1,5,20", [1, 5, 20]),
        ("numbers", "5", [5]),
        ("numbers", "5,", [5]),
        ("numbers", "[5]", [5]),
        ("texts", "END, STOP", ["END", "STOP"]),
        ("texts", "END", ["END"]),
        ("texts", "1,2", ["1", "2"]),
        ("texts", '["a,b"]', ["a,b"]),
        ("one_or_more", "AAPL,IBM", ["AAPL", "IBM"]),
        ("one_or_more", "AAPL", "AAPL"),
        ("one_or_more", '"AAPL,IBM"', "AAPL,IBM"),
        ("paths", "a,b.txt", "a,b.txt"),
        ("text", "a,b", "a,b"),
        ("number", "16", 16),
    ],
)
def test_a_list_needs_no_brackets(name: str, text: str, expected: Any) -> None:
    assert value(name, text) == expected


def test_a_backslash_in_a_quoted_path_is_an_error() -> None:
    for text in (r'"C:\data\my.txt"', r'["C:\new\a.txt"]', r'{train = "C:\temp.txt"}'):
        with pytest.raises(
            ValueError, match="a backslash begins an escape in a TOML string; write / between"
        ):
            value("paths", text)
    assert value("paths", r"C:\data\my.txt") == r"C:\data\my.txt"
    assert value("paths", r'"C:\\data"') == r"C:\data"
    assert value("paths", r"'C:\data'") == r"C:\data"
    assert value("text", r'"a\nb"') == "a\nb"  # only a path has no line ends
    (fault,) = faults(Recipe.load(write(SMALL)).override([r'source.path="C:\data\my.txt"']))
    assert fault.endswith('write / between folders: "C:/data/my.txt"')


def resolved(overrides: Sequence[str]) -> Any:
    return Recipe.load(write(SMALL)).override(overrides).resolve()


def test_in_a_recipe() -> None:
    assert resolved(["train.steps=none", "train.epochs=2"]).train.steps is None
    assert resolved(["train.steps=none"]).train.epochs == 10  # the default, as with ~train.steps
    assert resolved(["train.minutes=none"]).train.steps == 5  # a key that is not set may be left out
    assert "series" not in resolved(["series.test_from=none"]).own  # and that makes no table
    assert resolved(["data.split=0.8,0.1,0.1"]).data.split == (0.8, 0.1, 0.1)
    assert resolved(["sample.stop=END"]).sample.stop == ["END"]
    assert resolved(["sample.prompt=none"]).sample.prompt == "none"
    assert resolved(
        ["source.path.train=a.txt", "source.path.test=b.txt", "source.path.test=none"]
    ).source.options()["path"].keys() == {"train"}
    assert faults(Recipe.load(write(SMALL)).override(["train.stepz=none"])) == [
        "train.stepz: unknown key. Did you mean 'steps'? (override 'train.stepz=none')"
    ]


@given(st.lists(st.integers(1, 99) | st.floats(0, 1).map(lambda x: round(x, 3)), min_size=1))
def test_without_quotes_it_is_the_same_override(items: list[float]) -> None:
    field = Kinds.model_fields["numbers"]
    bare = without_quotes(field, f"x.numbers={items}")
    assert shlex.split(bare) == [bare]
    assert value_for(field, bare.partition("=")[2]) == items


def test_an_override_that_needs_quotes_is_unchanged() -> None:
    fields = Kinds.model_fields
    assert without_quotes(fields["number"], "~x.number") == "x.number=none"
    assert without_quotes(fields["text"], "~x.text") == "~x.text"
    assert without_quotes(fields["texts"], 'x.texts=["a,b"]') == 'x.texts=["a,b"]'
    assert without_quotes(fields["paths"], 'x.paths=["a", "b"]') == 'x.paths=["a", "b"]'
    assert without_quotes(None, "~x.nothing") == "~x.nothing"
    assert without_quotes(fields["number"], "x.number=3") == "x.number=3"
