"""The source that a recipe names, against the contract of a source of series."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seqkit
from seqkit.errors import RecipeError, SourceError
from seqkit.sources import Prices, Series
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
    with pytest.raises(SourceError, match="no split 'test'; the source has all"):
        list(Prices(WIDE, panel=True).series("test"))


def test_a_text_recipe_that_names_it_is_an_error_that_says_so(tiny_recipe: seqkit.Recipe) -> None:
    overrides = ["source.use=prices", f"source.path={FOLDER / 'yahoo.csv'}"]
    with pytest.raises(SourceError, match="the source 'prices' gives series of numbers, and the recipe tiny"):
        seqkit.train(tiny_recipe.override(overrides), "out")


def test_its_config_is_checked(tiny_recipe: seqkit.Recipe) -> None:
    recipe = tiny_recipe.override(["source.use=prices", "source.path=a.csv", "source.simbol=AAPL"])
    with pytest.raises(RecipeError, match="source.simbol: unknown key. Did you mean 'symbol'"):
        recipe.resolve()


def test_reading_prices_imports_nothing_that_trains() -> None:
    program = (
        "import sys, seqkit.sources; assert 'pyarrow' not in sys.modules; "
        f"print(len(seqkit.sources.read_prices({str(FOLDER / 'yahoo.csv')!r}).prices())); "
        "assert not {'torch', 'datasets', 'matplotlib'} & set(sys.modules)"  # pyarrow imports pandas
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "8\n"), done.stderr
