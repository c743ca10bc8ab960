"""run, evaluate, forecast on series."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

import seqkit
from seqkit.cli import cli
from seqkit.errors import RecipeError, RunError, SourceError, WrongKindError
from seqkit.skill.baselines import label
from tests.cli.test_cli import invoke

SMALL = ("train.epochs=2", "cell.hidden_size=4")


@pytest.fixture
def stocks(shared: Any) -> Path:
    shared("stocks", lambda: invoke("run", "stocks", *SMALL, "--seeds", "2", "--out", "out"))
    return Path("out")


def price_file(path: str, rows: int = 400) -> str:
    prices = 50 * np.exp(0.01 * np.random.default_rng(0).standard_normal(rows).cumsum())
    dates = np.busday_offset("2020-01-01", np.arange(rows), roll="forward")
    lines = [
        f"{date.item():%d.%m.%y};{price:.2f}".replace(".", ",", 0)
        for date, price in zip(dates, prices, strict=True)
    ]
    Path(path).write_text("Datum;Schlusskurs\n" + "\n".join(lines) + "\n", "utf-8")
    return path


def test_run_prints_the_report_and_writes_it(workdir: Path) -> None:
    output = invoke("run", "stocks", *SMALL, "--seeds", "2")
    assert "Report: AAPL, student_t head, 2 seeds, the test split, used once on this machine" in output
    for word in (
        "train ",
        "validation ",
        "test ",
        "scaler ",
        "last value (naive)",
        "drift",
        "mean of 20 rows",
    ):
        assert word in output
    assert 'always "up": 52.' in output  # of the reference: 52.1 % of AAPL's last 654 moves
    assert "Verdict, +1 session: the forecast of AAPL" in output
    assert "! The verdict is provisional: 2 seeds, and 5 are needed (--seeds 5)." in output
    assert "+1 session" in output.partition("AAPL, after 2013-03-01, at 56.14:")[2]
    assert "The runs are in runs/stocks, with report.json and the pictures calibration.png" in output
    names = {path.name for path in Path("runs/stocks").iterdir()}
    assert names == {
        "seed-0",
        "seed-1",
        "summary.json",
        "seeds.json",
        "report.json",
        "calibration.png",
        "errors.png",
        "forecast-AAPL.png",
        "returns.png",
    }


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("monthly_season", "the same month a year ago with drift"),
        ("hourly_load", "the same hour a week ago"),
        ("monthly_walk_with_drift", "drift"),
        ("daily_walk", "the last value"),
    ],
)
@pytest.mark.ci
def test_the_headline_names_the_best_baseline(name: str, best: str, workdir: Path) -> None:
    path = Path(__file__).parents[1] / "skill" / "verdict" / f"{name}.csv"
    price = ["source.price=Value"] if name == "monthly_season" else []
    output = invoke("run", "stocks", "--data", str(path), *price, *SMALL, "--seeds", "1", "--out", "out")
    (headline,) = (line for line in output.splitlines() if line.startswith("Verdict, "))
    assert headline.partition(" the forecast of ")[2].partition(" ")[2] in (
        f"ties: no detectable skill against {best}.",
        f"loses to {best}, which is the better forecast.",
    )
    (skill,) = json.loads(Path("out/report.json").read_text())["horizons"]
    assert label(skill["baseline"]) == best.removeprefix("the ")
    (row,) = (line for line in output.splitlines() if " *  " in line)
    assert row.split()[-1] == skill["verdict"] == skill["errors"][skill["baseline"]]["verdict"]
    assert all(f"{found['ratio']:.4f}" in output for found in skill["errors"].values())


@pytest.mark.ci
def test_sentences_are_wrapped_to_a_terminal(
    stocks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from seqkit.cli.series import load_series_runs
    from seqkit.cli.skill import print_report
    from seqkit.run.series import evaluate_together

    report = evaluate_together(load_series_runs(str(stocks), ()), count=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    print_report(report)
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    rows = [
        line for line in lines if line.startswith(("last value", "drift", "mean of", "same", "  the same"))
    ]
    assert len(rows) == 9
    assert all(" to " in row for row in rows)  # the figures of a row are on one line


@pytest.mark.ci
def test_json_is_one_document(workdir: Path) -> None:
    found = json.loads(invoke("run", "stocks", *SMALL, "--seeds", "1", "--json"))
    (skill,) = found["report"]["horizons"]
    assert skill["verdict"] in ("beats", "ties", "loses")
    assert skill["errors"]["naive"]["ratio_interval_95"][0] < skill["ratio_to_naive"]
    assert found["report"]["scaler"]["to"] < found["report"]["periods"]["validation"]["from"]
    assert found["forecast"][0]["sessions"][0]["quantiles"]["0.05"] < found["forecast"][0]["last_price"]
    assert (Path(found["path"]) / "report.json").is_file()


def test_the_figures_of_the_reference(stocks: Path) -> None:
    """Measured elsewhere on the last 20 %: CRPS 1.098 % and 0.939 %, coverage 98.6 % and 89.3 %."""
    found = json.loads(invoke("evaluate", str(stocks), "--json"))["horizons"][0]["distribution"]
    assert found["crps"]["constant"]["other"] == pytest.approx(0.01098, rel=0.03)
    assert found["crps"]["ewma"]["other"] == pytest.approx(0.00939, rel=0.01)
    assert found["coverage_90"]["constant"] == pytest.approx(0.986, abs=0.005)
    assert found["coverage_90"]["ewma"] == pytest.approx(0.893, abs=0.005)


def test_evaluate_takes_the_seeds_or_one_of_them(stocks: Path) -> None:
    assert "2 seeds, the validation split\n" in invoke("evaluate", str(stocks), "--split", "validation")
    assert "1 seed, the test split, used 2 times on this machine" in invoke(
        "evaluate", str(stocks / "seed-1")
    )


@pytest.mark.ci
def test_leaks_and_control(stocks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for more in (["--control"], ["--split", "validation"], ["my.csv"]):
        result = CliRunner().invoke(cli, ["evaluate", str(stocks), "--leaks", *more])
        assert result.exit_code == 2
    assert invoke("evaluate", str(stocks), "--leaks").startswith("No leak: with all rows from 2009-")
    assert json.loads(invoke("evaluate", str(stocks), "--leaks", "--json"))["clean"]
    monkeypatch.setattr("seqkit.run.controls.WALKS", 2)
    monkeypatch.setattr(
        "seqkit.run.controls.run_controls.__kwdefaults__", {"walks": 2, "plugins": (), "on_walk": print}
    )
    output = invoke("evaluate", str(stocks), "--control")
    assert "On 2 random walks, where there is nothing to find, the recipe beats" in output
    assert "2 random walks" in invoke("evaluate", str(stocks))
    assert (stocks / "control.json").is_file()


@pytest.mark.ci
def test_forecast_from_newer_rows(workdir: Path) -> None:
    invoke("run", "stocks", "--data", price_file("my.csv"), *SMALL, "--seeds", "2", "--out", "out")
    output = invoke("forecast", "out", price_file("today.csv", 420), "--horizon", "3")
    assert "my, after 2021-08-10, at " in output
    assert [line.split()[0] for line in output.splitlines()[2:5]] == ["+1", "+2", "+3"]
    (found,) = json.loads(invoke("forecast", "out", "--json"))
    assert found["last_date"] == "2021-07-13"


@pytest.mark.ci
def test_a_point_has_no_interval_and_says_so(workdir: Path) -> None:
    output = invoke("run", "stocks", *SMALL, "model.head=point", "--seeds", "2")
    assert (
        "A point head forecasts no interval, so its uncertainty is unknown "
        "(model.head=student_t forecasts one)." in output
    )
    assert "CRPS" not in output


def test_prices_are_printed_with_the_digits_that_they_have() -> None:
    from seqkit.cli.skill import _decimals

    assert [_decimals(price) for price in (404.34, 10.0, 9.99, 1.0834, 0.00012)] == [2, 2, 4, 4, 8]


def refused(error: type[Exception], *arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, error), result.exception
    assert result.stdout == ""
    return str(result.exception)


class TestMistakes:
    def test_a_short_file(self, workdir: Path) -> None:
        said = refused(SourceError, "run", "stocks", "--data", price_file("my.csv", 196))
        assert said == (
            "my: 196 rows are too few (rows to predict: train 122, needs 64; validation 18, needs 20; "
            "test 35, needs 20)."
            "\n  With train.seq_len = 64 and features that reach back 21 rows, 221 are enough. "
            "Give more rows, or make train.seq_len, series.horizon or the features' reach smaller."
        )
        assert not list(Path("runs").iterdir())

    def test_a_column_that_is_not_there(self, workdir: Path) -> None:
        said = refused(SourceError, "run", "volatility", "--data", price_file("my.csv"))
        assert said.startswith("my has no column 'high', which series.range=true reads; its columns: price.")

    def test_a_horizon_with_a_feature_of_the_file(self) -> None:
        said = refused(RecipeError, "run", "volatility", "series.horizon=5")
        assert "and range does not follow from sampled returns (series.range=false leaves it out)" in said

    def test_text_verbs_on_a_run_on_series(self, stocks: Path) -> None:
        assert "is a run on series; it has no" in refused(
            WrongKindError, "generate", str(stocks / "seed-0"), "The "
        )
        said = refused(WrongKindError, "score", str(stocks / "seed-0"), "-")
        assert "seed-0 is a run on series; it has no 'score'." in said
        assert f"run.forecast(), or seqkit forecast {stocks / 'seed-0'}" in said
        assert f"It contains runs; choose one of them: {stocks}/seed-0" in refused(
            RunError, "generate", str(stocks), "The "
        )

    def test_forecast_of_a_run_on_text(self, tiny_recipe: seqkit.Recipe) -> None:
        path = seqkit.train(tiny_recipe, "text").path
        assert refused(WrongKindError, "forecast", str(path)) == (
            "text is a run on text, which has no dates.\n"
            "  It generates and scores text: seqkit generate text, seqkit score text FILE."
        )

    def test_a_plan_for_series(self) -> None:
        assert "to time a recipe for series, run it" in refused(RecipeError, "run", "stocks", "--plan")

    def test_samples_that_are_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from importlib.metadata import PackageNotFoundError

        def missing(name: str) -> None:
            raise PackageNotFoundError(name)

        monkeypatch.setattr("seqkit.sources.samples.distribution", missing)
        assert refused(SourceError, "run", "stocks") == (
            "the sample 'stocks' is in the package bokeh-sampledata, which is not installed here.\n"
            "  pip install 'seqkit[samples]', or give a price file: seqkit run stocks --data FILE.csv"
        )
        assert "has no symbols" in refused(SourceError, "run", "quickstart", "source.symbol=AAPL")
