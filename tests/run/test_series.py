"""A run on series, from the recipe to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqkit
from seqkit.errors import BudgetError, OutOfRangeError, RecipeError, SourceError, WrongKindError
from seqkit.run import SeriesRun
from seqkit.run.controls import judge_synthetic, run_controls, write_control
from seqkit.run.report import write_report
from seqkit.run.seeds import load_seeds, train_seeds
from seqkit.run.series import evaluate_together

TINY = {"seq_len": 32, "batch_size": 4, "epochs": 3, "state": "carry"}


def recipe(**tables: object) -> seqkit.Recipe:
    made: dict[str, object] = {
        "source": {"use": "synthetic", "process": "ar1", "rows": 600},
        "series": {"volatilities": [5]},
        "cell": {"use": "rnn", "hidden_size": 6},
        "train": TINY,
    }
    return seqkit.Recipe(name="tiny", **{**made, **tables})


def price_file(path: str, rows: int = 700, symbols: tuple[str, ...] = ("X",), seed: int = 0) -> str:
    dates = np.busday_offset("2010-01-04", np.arange(rows), roll="forward")
    lines = ["Date,Symbol,High,Low,Close,Volume"]
    for place, symbol in enumerate(symbols):
        generator = np.random.default_rng([seed, place])
        prices = 50 * np.exp(0.01 * generator.standard_normal(rows).cumsum())
        lines += [
            f"{date},{symbol},{1.01 * price:.4f},{0.99 * price:.4f},{price:.4f},{1000 + row}"
            for row, (date, price) in enumerate(zip(dates, prices, strict=True))
        ]
    Path(path).write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def run(shared: Any) -> SeriesRun:
    shared("series", lambda: seqkit.train(recipe(), "out"))
    opened = seqkit.load("out")
    assert isinstance(opened, SeriesRun)
    return opened


class TestTraining:
    def test_a_run_directory_holds_everything(self, run: SeriesRun) -> None:
        names = {path.name for path in run.path.iterdir()}
        assert names == {
            "recipe.toml",
            "provenance.json",
            "ended.json",
            "series.json",
            "metrics.jsonl",
            "checkpoints",
            "loss.png",
        }
        described = run.provenance
        assert set(described["components"]) == {"source", "cell"}
        assert described["data"]["splits"]["train"]["rows"] > 300
        assert described["data"]["scaler_fit"]["to"] < described["data"]["splits"]["validation"]["from"]
        assert "tokenizer" not in (run.path / "recipe.toml").read_text()

    def test_a_loaded_run_forecasts_and_judges_the_same(self, workdir: Path) -> None:
        run, loaded = seqkit.train(recipe(), "out"), seqkit.load("out")
        assert loaded.forecast(horizon=3) == run.forecast(horizon=3)
        assert loaded.evaluate().horizons == run.evaluate().horizons
        assert repr(loaded) == "SeriesRun('out', source='synthetic', cell='rnn')"

    @pytest.mark.parametrize("state", ["reset", "carry"])
    @pytest.mark.ci
    def test_both_state_policies_learn(self, state: str, workdir: Path) -> None:
        source = {"use": "synthetic", "process": "ar1", "rows": 1200}
        train = {**TINY, "epochs": 15, "state": state, "learning_rate": 1e-2}
        assert (
            seqkit.train(recipe(source=source, train=train), "out").evaluate().horizons[0].verdict == "beats"
        )

    @pytest.mark.parametrize(
        "head",
        [
            "point",
            *(pytest.param(head, marks=pytest.mark.ci) for head in ("gaussian", "student_t", "quantile")),
        ],
    )
    def test_every_head(self, head: str, workdir: Path) -> None:
        trained = seqkit.train(recipe(model={"head": head}, series={"horizon": 2}), "out")
        report = trained.evaluate()
        assert report.head == head
        assert [skill.horizon for skill in report.horizons] == [1, 2]
        assert (report.horizons[0].distribution is None) == (head == "point")
        (outlook,) = trained.forecast()
        assert (outlook.sessions[1].quantiles is None) == (head == "point")

    @pytest.mark.ci
    def test_two_layers_and_a_price_target(self, workdir: Path) -> None:
        trained = seqkit.train(recipe(model={"layers": 2}, series={"target": "price", "horizon": 2}), "out")
        assert trained.evaluate().target == "price"
        assert len(trained.forecast()[0].sessions) == 2

    def test_it_repeats_exactly(self, run: SeriesRun) -> None:
        again = seqkit.train(recipe(), "again")
        assert [row["loss"] for row in again.metrics] == [row["loss"] for row in run.metrics]


class TestOfAFile:
    @pytest.mark.ci
    def test_every_symbol_in_one_model(self, workdir: Path) -> None:
        made = recipe(series={"volume": True, "range": True, "calendar": True})
        made = made.with_data(price_file("my.csv", symbols=("AA", "BB"))).override(["source.panel=true"])
        trained = seqkit.train(made, "out")
        report = trained.evaluate()
        assert report.symbols == ("AA", "BB")
        assert set(report.by_symbol) == {"AA", "BB"}
        assert [outlook.symbol for outlook in trained.forecast()] == ["AA", "BB"]
        with pytest.raises(OutOfRangeError) as caught:
            trained.forecast(horizon=2)
        assert str(caught.value) == (
            "a path of 2 rows is sampled row by row, and volume cannot be computed from sampled returns.\n"
            "  Forecast one row (--horizon 1), or train without this feature."
        )

    def test_newer_rows_are_scaled_as_the_run_was(self, workdir: Path) -> None:
        trained = seqkit.train(recipe().with_data(price_file("my.csv", 500)), "out")
        price_file("newer.csv", 650)
        (before,), (after,) = trained.forecast(), trained.forecast(data="newer.csv")
        assert (before.last_date, after.last_date) == ("2011-12-02", "2012-06-29")
        report = trained.evaluate(data="newer.csv")
        assert report.periods["test"]["rows"] == trained.evaluate().periods["test"]["rows"] + 150
        assert report.periods["train"] == trained.provenance["data"]["splits"]["train"]
        price_file("other.csv", symbols=("AA", "BB"))
        with pytest.raises(SourceError, match="the run was not trained on 'AA', so it has no scale for it"):
            trained.forecast(data="other.csv")

    def test_a_file_without_a_symbol_is_read_as_that_of_the_run(
        self, workdir: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        trained = seqkit.train(recipe().with_data(price_file("my.csv", 500, ("AAPL",))), "out")
        nameless = Path(price_file("newer.csv", 520)).read_text().replace(",X,", ",").replace("Symbol,", "")
        Path("newer.csv").write_text(nameless)
        with caplog.at_level("INFO"):
            assert trained.forecast(data="newer.csv")[0].symbol == "AAPL"
        assert "newer.csv names no symbol; it is read as AAPL" in caplog.text
        price_file("MSFT.csv", 520, ("MSFT",))  # it has the name of its file, and still a warning is logged
        with pytest.raises(SourceError, match="the run was not trained on 'MSFT'"):
            trained.forecast(data="MSFT.csv")

    def test_a_file_that_ends_in_training_is_reported(
        self, workdir: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        trained = seqkit.train(recipe().with_data(price_file("my.csv", 500)), "out")
        trained.forecast(data=price_file("early.csv", 100))
        assert "X ends on 2010-05-21: the rows after it are among those that the model was" in caplog.text

    def test_a_file_instead_of_the_horizon(self, run: SeriesRun) -> None:
        with pytest.raises(
            OutOfRangeError, match="a horizon is a number of rows, got 'my.csv'.\n  Pass a file as data=PATH"
        ):
            run.forecast("my.csv")

    def test_data_that_has_changed_is_reported(self, workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
        trained = seqkit.train(recipe().with_data(price_file("my.csv", 500)), "out")
        price_file("my.csv", 520)
        trained.evaluate()
        assert (
            "the data has changed since the run was trained; the dates of the splits are kept" in caplog.text
        )


class TestReport:
    @pytest.mark.ci
    def test_seeds_together(self, workdir: Path) -> None:
        train_seeds(recipe(), 2, "out")
        runs = load_seeds("out")
        assert [seeded.path.name for seeded in runs] == ["seed-0", "seed-1"]
        report = write_report(runs, Path("out"))
        assert report.seeds == 2
        (skill,) = (
            report.horizons
        )  # the error of the mean forecast, which is never worse than its seeds on average
        assert skill.errors["naive"].ratio < np.mean(skill.seed_ratios)
        saved = json.loads(Path("out/report.json").read_text())
        assert saved["horizons"][0]["verdict"] == report.horizons[0].verdict
        for name in ("returns", "errors", "calibration", "forecast-S1"):
            assert Path(f"out/{name}.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.ci
    def test_looks_at_the_test_split_are_counted_for_any_run(self, run: SeriesRun) -> None:
        assert [run.evaluate().test_uses for _ in range(2)] == [1, 2]
        assert run.evaluate("validation").test_uses is None
        assert run.evaluate(count=False).test_uses is None
        other = seqkit.train(recipe(train={**TINY, "seed": 1}), "other")
        assert other.evaluate().test_uses == 3
        elsewhere = seqkit.train(recipe(source={"use": "synthetic", "rows": 500}), "elsewhere")
        assert elsewhere.evaluate().test_uses == 1

    def test_a_missing_split(self, workdir: Path) -> None:
        trained = seqkit.train(recipe(series={"split": [0.8, 0.2, 0.0]}), "out")
        with pytest.raises(
            SourceError, match=r"there is no test split: no row has its dates \(validation from"
        ):
            trained.evaluate()
        with pytest.raises(SourceError, match="series are judged on validation or test, got 'train'"):
            trained.evaluate("train")

    def test_a_row_that_was_looked_at_is_recognised_in_a_newer_file(self, workdir: Path) -> None:
        trained = seqkit.train(recipe().with_data(price_file("my.csv", 500)), "out")
        assert trained.evaluate().test_uses == 1
        assert trained.evaluate(data=price_file("newer.csv", 520)).test_uses == 2
        assert trained.evaluate(data=price_file("other.csv", 520, seed=1)).test_uses == 1

    @pytest.mark.ci
    def test_splits_without_a_validation_or_a_test(self, workdir: Path) -> None:
        summary = train_seeds(recipe(series={"split": [0.8, 0.0, 0.2]}), 2, "out")
        assert "loss" not in summary
        assert evaluate_together(load_seeds("out")).seeds == 2
        with pytest.raises(BudgetError, match="series.split=0.7,0.1,0.2, or leave the patience out"):
            seqkit.train(recipe(series={"split": [0.8, 0.0, 0.2]}, train={**TINY, "patience": 3}), "patient")
        no_test = seqkit.train(recipe(series={"split": [0.8, 0.2, 0.0]}), "no-test")
        assert no_test.leaks().clean
        assert no_test.evaluate("validation").test_uses is None
        with pytest.raises(
            RecipeError, match="should leave dates for validation or test, else nothing can be"
        ):
            recipe(series={"split": [1.0, 0.0, 0.0]}).resolve()

    @pytest.mark.ci
    def test_control_runs_read_the_verdict_on_the_best_baseline(
        self, workdir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        judged = []

        def keep(*arguments: object, **options: object) -> object:
            judged.append(judge_synthetic(*arguments, **options))
            return judged[-1]

        monkeypatch.setattr("seqkit.run.controls.judge_synthetic", keep)
        resolved = recipe(train={**TINY, "epochs": 1}).resolve()
        control = run_controls(resolved, rows=300, sigma=0.01, walks=3)
        assert control.ratios == [skill.errors[skill.baseline].ratio for skill in judged]
        for verdict, count in control.verdicts.items():
            assert count == sum(skill.errors[skill.baseline].verdict == verdict for skill in judged)

    @pytest.mark.ci
    def test_control_runs_mark_the_report(self, run: SeriesRun) -> None:
        reported: list[str] = []
        resolved = recipe(train={**TINY, "epochs": 1}).resolve()
        control = run_controls(
            resolved, rows=300, sigma=0.01, walks=2, on_walk=lambda walk, verdict: reported.append(verdict)
        )
        assert sum(control.verdicts.values()) == len(reported) == len(control.ratios) == 2
        assert control.trustworthy == (control.verdicts["beats"] == 0)
        write_report([run], run.path)
        write_control(run.path, control)
        assert json.loads((run.path / "report.json").read_text())["trustworthy"] == control.trustworthy
        assert run.evaluate().trustworthy == control.trustworthy
        (run.path / "control.json").write_text(
            '{"walks": 20, "verdicts": {"beats": 4}, "trustworthy": false}'
        )
        assert not run.evaluate().trustworthy

    def test_nothing_leaks(self, run: SeriesRun) -> None:
        assert run.leaks().clean


class TestKinds:
    def test_a_run_on_series_has_no_text(self, run: SeriesRun) -> None:
        with pytest.raises(WrongKindError) as caught:
            run.generate("The ")
        assert str(caught.value) == (
            "a run on series has no 'generate'.\n  It forecasts: run.forecast(), or seqkit forecast DIR."
        )
        assert not hasattr(run, "score")
        with pytest.raises(AttributeError, match="a run on series has no 'nothing'"):
            _ = run.nothing

    def test_a_run_on_text_has_no_forecast(self, tiny_recipe: seqkit.Recipe) -> None:
        with pytest.raises(WrongKindError, match="a run on text has no 'forecast'"):
            seqkit.train(tiny_recipe, "text").forecast()

    def test_a_source_of_the_other_kind(self, tiny_recipe: seqkit.Recipe) -> None:
        with pytest.raises(RecipeError) as caught:
            seqkit.train(tiny_recipe.override(["source.use=synthetic"]), "out")
        assert caught.value.faults == (
            "[sample]: is for recipes on text, and the source 'synthetic' gives series",
        )
        with pytest.raises(RecipeError) as caught:
            seqkit.train(recipe(source={"use": "samples"}), "out")
        assert caught.value.faults == (
            "[series]: is for recipes on series, and the source 'samples' gives text",
        )

    def test_tables_that_do_not_belong(self) -> None:
        with pytest.raises(RecipeError) as caught:
            recipe(
                tokenizer={"use": "char"}, sample={}, model={"head": "linear", "encoder": "one_hot"}
            ).resolve()
        assert caught.value.faults == (
            "[sample]: is for recipes on text, and the source 'synthetic' gives series",
            "[tokenizer]: is for recipes on text, and the source 'synthetic' gives series",
            "model.encoder: 'one_hot' is not for series; choose from: raw",
            "model.head: 'linear' is not for series; choose from: student_t, gaussian, point, quantile",
        )
        with pytest.raises(
            RecipeError, match="model.head: 'point' is not for text; choose from: linear, none"
        ):
            seqkit.Recipe.load("quickstart").override(["model.head=point"]).resolve()

    def test_dates_are_read_as_toml_has_them(self) -> None:
        dates = ["series.validation_from=2009-01-01", 'series.test_from="2011-01-01 09:30"']
        made = recipe().override(dates).resolve()
        assert (made.series.validation_from, made.series.test_from) == ("2009-01-01", "2011-01-01T09:30:00")
        for text, said in (
            ("series.test_from=soon", "series.test_from: should be a date such as 2012-12-31, got 'soon'"),
            ("series.test_from=2008-12-31", "series.test_from: should not be before series.validation_from"),
        ):
            with pytest.raises(RecipeError) as caught:
                recipe().override([dates[0], text]).resolve()
            assert said in str(caught.value)

    def test_a_horizon_that_needs_features_no_path_has(self) -> None:
        with pytest.raises(RecipeError) as caught:
            recipe(series={"horizon": 5, "calendar": True}).resolve()
        (fault,) = caught.value.faults
        assert fault == (
            "series.horizon: a path of several rows is sampled row by row, and calendar does not follow from "
            "sampled returns (series.calendar=false leaves it out); should be 1, got 5"
        )

    def test_the_user_s_file_replaces_the_source(self, workdir: Path) -> None:
        changed = seqkit.Recipe.load("stocks").with_data("my.csv").resolve()
        assert (changed.source.use, changed.source.config.path) == ("prices", str(workdir / "my.csv"))


@pytest.mark.ci
def test_the_recipe_finds_the_skill_that_is_there_and_no_more() -> None:
    """AR(1): the flat forecast is 15 % above the optimum, measured with the noise of the same rows."""
    stocks = seqkit.Recipe.load("stocks").resolve()
    ratios = []
    for seed in range(2):
        skill = judge_synthetic(stocks, process="ar1", rows=3000, sigma=0.01, seed=seed)
        assert skill.verdict == "beats"
        (series,) = seqkit.sources.synthetic.Synthetic("ar1", 3000, 0.01, 0.5, 1, seed).series()
        returns = np.diff(np.log(series.values[:, 0]))[-skill.rows - 1 :]
        optimum = np.sqrt(((returns[1:] - 0.5 * returns[:-1]) ** 2).mean())
        ratios.append(skill.rmse["model"] / optimum)
    assert np.mean(ratios) < 1.03


def test_seeds_are_judged_by_one_recipe(run: SeriesRun) -> None:
    report = evaluate_together([run, run])
    assert report.seeds == 2
    assert report.horizons[0].seed_ratios[0] == report.horizons[0].seed_ratios[1]
