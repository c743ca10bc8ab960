"""The source `prices`, checked against the contract of a source of series."""

import ast
import inspect
import logging
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import seqkit
from seqkit.errors import RecipeError, SourceError
from seqkit.registry import Registry
from seqkit.sources import Prices, Series, read_prices
from seqkit.sources.prices import open_prices
from seqkit.sources.prices.options import declared
from seqkit.sources.prices.spelling import for_inspect, in_python, in_recipe
from seqkit.testing import SourceCase, run_checks

FOLDER = Path(__file__).parent / "prices"
LONG, WIDE = str(FOLDER / "long.csv"), str(FOLDER / "wide.csv")


@pytest.mark.parametrize("config", [{"symbol": "A"}, {"panel": True}, {"symbol": ["A", "B"]}])
def test_it_keeps_the_contract(config: dict[str, object]) -> None:
    text = "Date,Name,Close,Volume\n2021-05-14,A,1,5\n2021-05-17,A,2,\n2021-05-14,B,10,7\n2021-05-17,B,20,8\n"
    path = Path("prices.csv")
    path.write_text(text)
    case = SourceCase(
        "prices",
        path="prices.csv",
        missing={"path": "nowhere.csv"},
        change=lambda: path.write_text(text.replace("20", "21")),
        **config,
    )
    report = run_checks(case)
    assert report.summary == "12 of 12 checks ran, 12 passed", report
    assert "pieces" in report.not_applicable


def test_a_series_has_the_price_first() -> None:
    (series,) = Prices(FOLDER / "nasdaq.csv").series()
    assert isinstance(series, Series)
    assert series.name == "nasdaq"
    assert series.columns == ("price", "volume", "open", "high", "low")
    assert series.values.shape == (9, 5)
    assert series.values[0].tolist() == [185.02, 4844029, 184.40, 185.75, 183.61]
    assert np.isnan(series.values[3, 1])
    assert str(series.dates[0]) == "2024-12-03"


def test_a_panel() -> None:
    assert [series.name for series in Prices(WIDE, panel=True).series()] == ["AAPL", "BRK-B", "GE"]
    assert [series.name for series in Prices(LONG, symbol=["AAPL", "TRUE"]).series()] == ["AAPL", "TRUE"]
    assert [len(series.dates) for series in Prices(WIDE, panel=True).series()] == [9, 8, 8]


def test_several_symbols_need_a_choice() -> None:
    with pytest.raises(SourceError, match=r"3 symbols found \(AAL, AAPL and TRUE\)"):
        list(Prices(LONG).series())


def test_what_is_left_out_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(Prices(FOLDER / "yahoo.csv").series())
    assert "yahoo.csv: 1 row without a price: left out (line 6)" in caplog.text
    assert "longest gap" not in caplog.text


def test_the_fingerprint_is_of_the_bytes_and_of_how_they_are_read() -> None:
    assert Prices(WIDE, panel=True).fingerprint == Prices(WIDE, panel=True).fingerprint
    Path("copy.csv").write_bytes(Path(WIDE).read_bytes())
    assert Prices("copy.csv", panel=True).fingerprint == Prices(WIDE, panel=True).fingerprint
    assert Prices(WIDE, symbol="GE").fingerprint != Prices(WIDE, panel=True).fingerprint
    assert Prices(WIDE, panel=True, price="GE").fingerprint != Prices(WIDE, panel=True).fingerprint


def test_there_is_one_split() -> None:
    with pytest.raises(SourceError, match="no split 'test'; the only split is 'all'"):
        list(Prices(WIDE, panel=True).series("test"))


def test_a_text_recipe_that_names_it_is_an_error_that_says_so(tiny_recipe: seqkit.Recipe) -> None:
    overrides = ["source.use=prices", f"source.path={FOLDER / 'yahoo.csv'}"]
    with pytest.raises(RecipeError, match="is for recipes on text, and the source 'prices' gives series"):
        seqkit.train(tiny_recipe.override(overrides), "out")


def test_its_config_is_checked(tiny_recipe: seqkit.Recipe) -> None:
    recipe = tiny_recipe.override(["source.use=prices", "source.path=a.csv", "source.simbol=AAPL"])
    with pytest.raises(RecipeError, match="source.simbol: unknown key. Did you mean 'symbol'"):
        recipe.resolve()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Datum;Wert\n2021-05-14;1\n", "pass source.price=Wert."),
        ("Date,Close\n03/04/2021,1\n", "Pass source.date_format=%d/%m/%Y or source.date_format=%m/%d/%Y."),
        (
            "Date,Name,Close\n2021-05-14,A,1\n2021-05-14,B,1\n",
            'Choose one, source.symbol=A, or several, \'source.symbol=["A", "B"]\'; source.panel=true reads ',
        ),
    ],
)
def test_messages_of_a_recipe_name_its_overrides(text: str, message: str) -> None:
    Path("prices.csv").write_text(text)
    recipe = seqkit.Recipe.load("stocks").with_data("prices.csv")
    with pytest.raises(SourceError) as caught:
        seqkit.train(recipe, "out")
    assert message in str(caught.value)
    override = next((word for word in shlex.split(message.rstrip(".")) if word.startswith("source.")), "")
    assert recipe.override([override.rstrip(",")]).resolve().source.use == "prices"


def test_messages_of_python_name_its_arguments() -> None:
    Path("prices.csv").write_text("Date,Name,Close\n2021-05-14,A,1\n2021-05-14,B,1\n")
    with pytest.raises(
        SourceError, match=r'symbol="A", or several, symbol=\["A", "B"\]; panel=True reads all'
    ):
        list(Prices("prices.csv").series())


@pytest.mark.parametrize(
    "value", ["Close", "Adj Close", "it's", "100", "true", "[a]", "Clôture", "%d/%m/%y", ","]
)
def test_what_a_message_proposes_gives_the_value_when_it_is_typed(value: str) -> None:
    (override,) = shlex.split(in_recipe("price", value))
    recipe = seqkit.Recipe.load("stocks").with_data("prices.csv").override([override])
    assert recipe.resolve().source.options()["price"] == value
    assert shlex.split(for_inspect("symbol_column", value)) == ["--symbol-column", value]
    assert ast.literal_eval(in_python("price", value).removeprefix("price=")) == value


def test_the_options_are_declared_once() -> None:
    names = [one.name for one in declared()]
    config = Registry().component("source", "prices").declaration.config
    assert set(config.model_fields) == {"path", "panel", *names}
    for function in (read_prices, Prices, open_prices):
        assert set(names) < set(inspect.signature(function).parameters)
    assert list(inspect.signature(read_prices).parameters) == ["path", *names, "min_rows"]
    with pytest.raises(TypeError, match="simbol"):
        Prices("prices.csv", simbol="A")
    assert read_prices(FOLDER / "yahoo.csv", "AAPL", "Close").price_column == "Close"


def test_the_largest_move_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(Prices(FOLDER / "yahoo.csv").series())
        Path("split.csv").write_text("Date,Close\n2021-05-14,100\n2021-05-17,10\n")
        list(Prices("split.csv").series())
    one, other = (record for record in caplog.records if "the largest move" in record.getMessage())
    assert (one.levelno, other.levelno) == (logging.INFO, logging.WARNING)
    assert "yahoo.csv: the largest move of 'Adj Close' from one row to the next is a" in one.getMessage()
    assert "(line " in one.getMessage()
    assert "a fall of 90 % on 2021-05-17, from 100 to 10" in other.getMessage()


def test_the_fingerprint_of_an_archive_is_that_of_its_file() -> None:
    data = (FOLDER / "yahoo.csv").read_bytes()
    for name, year in (("a.zip", 2001), ("b.zip", 2002)):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr(zipfile.ZipInfo("yahoo.csv", (year, 1, 1, 0, 0, 0)), data)
    assert (
        Prices("a.zip").fingerprint == Prices("b.zip").fingerprint == Prices(FOLDER / "yahoo.csv").fingerprint
    )


def test_reading_prices_imports_nothing_that_trains() -> None:
    program = (
        "import sys, seqkit.sources; assert 'pyarrow' not in sys.modules; "
        f"print(len(seqkit.sources.read_prices({str(FOLDER / 'yahoo.csv')!r}).prices())); "
        "assert not {'torch', 'datasets', 'matplotlib'} & set(sys.modules)"  # pyarrow imports pandas
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "8\n"), done.stderr
