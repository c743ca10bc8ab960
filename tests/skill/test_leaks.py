"""The leak check: it finds no leak in the recipes that ship, and finds planted leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from seqkit.data.series import TARGETS, Features, PreparedSeries, prepare_series
from seqkit.data.series import preparing as preparing_module
from seqkit.data.series.dates import Cuts
from seqkit.recipe import Recipe
from seqkit.skill import LeakCheck, check_leaks
from seqkit.sources import Series
from seqkit.sources.synthetic import Synthetic
from seqkit.tasks import Sizes
from seqkit.tasks.components import make_model
from seqkit.tasks.series import open_series
from seqkit.tasks.series import prepare as prepare_recipe

FEATURES = Features(lags=[1], volatilities=[5])
SERIES = list(Synthetic("ar1", 400, symbols=2).series())


def prepare(series: Sequence[Series]) -> PreparedSeries:
    return prepare_series(series, FEATURES, TARGETS["return"], fractions=(0.6, 0.2, 0.2), seq_len=10)


def check(prepare=prepare, horizon: int = 1) -> LeakCheck:
    torch.manual_seed(0)
    recipe = Recipe(
        source={"use": "synthetic"},
        series={},
        cell={"use": "rnn", "hidden_size": 4},
        model={"head": "gaussian"},
    ).resolve()
    model = make_model(recipe, Sizes(features=len(FEATURES.names)))
    torch.nn.init.normal_(model.head.projection.weight)
    return check_leaks(SERIES, prepare, model, horizon=horizon)


@pytest.mark.parametrize("horizon", [1, 3])
def test_nothing_leaks(horizon: int) -> None:
    found = check(horizon=horizon)
    assert found.clean
    assert found.compared == 5 * (6 + 4 * (1 if horizon == 1 else 2))
    assert len(found.replaced_from) == 5


@pytest.mark.parametrize("name", ["stocks", "stocks-panel", "volatility"])
@pytest.mark.ci
def test_the_recipes_that_ship_are_clean(name: str) -> None:
    recipe = Recipe.load(name).override(["series.paths=10"] if name == "stocks-panel" else []).resolve()
    series = list(open_series(recipe).series())
    model = make_model(recipe, Sizes(features=len(prepare_recipe(recipe, series).features.names)))
    torch.nn.init.normal_(model.head.projection.weight)  # an untrained head forecasts 0 for any input
    found = check_leaks(series, partial(prepare_recipe, recipe), model, horizon=recipe.series.horizon)
    assert found.clean, found.leaks


def whats(found: LeakCheck) -> set[str]:
    return {leak.what for leak in found.leaks}


def test_a_scaler_that_was_fitted_on_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = preparing_module.fit_scale
    everything = Cuts(np.datetime64("2100-01-01"), np.datetime64("2100-01-02"))
    monkeypatch.setattr(
        preparing_module, "fit_scale", lambda rows, cuts, target: honest(rows, everything, target)
    )
    found = check()
    assert {"the scaler", "the inputs of training", "the location forecast of S1"} <= whats(found)


def test_a_window_across_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = PreparedSeries.counts

    def ten_rows_more(self: PreparedSeries, split: str) -> dict[str, int]:
        counts = honest(self, split)
        return {name: count + 10 for name, count in counts.items()} if split == "train" else counts

    monkeypatch.setattr(PreparedSeries, "counts", ten_rows_more)
    found = check()
    assert {"the inputs of training", "the targets of training"} <= whats(found)
    assert "the scaler" not in whats(found)


def test_a_shuffled_split() -> None:
    def shuffled(series: Sequence[Series]) -> PreparedSeries:
        data = prepare(series)
        order = np.random.default_rng(0).permutation
        symbols = []
        for rows in data.symbols:
            places = np.concatenate([np.arange(rows.first), rows.first + order(len(rows) - rows.first)])
            symbols.append(replace(rows, features=rows.features[places], values=rows.values[places]))
        return replace(data, symbols=tuple(symbols))

    found = check(shuffled)
    assert {"the inputs of training", "the targets of training", "the location forecast of S1"} <= whats(
        found
    )


def test_a_feature_that_looks_one_row_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Features.of_series
    monkeypatch.setattr(Features, "of_series", lambda self, series: np.roll(honest(self, series), -1, axis=0))
    found = check()
    assert "the location forecast of S1" in whats(found)
    leak = next(leak for leak in found.leaks if leak.what.startswith("the location"))
    assert str(leak) == f"{leak.what} changed when the rows from {leak.replaced_from} on were replaced"


def test_a_cut_that_depends_on_later_rows() -> None:
    def by_the_last_price(series: Sequence[Series]) -> PreparedSeries:
        data = prepare(series)
        late = int(series[0].values[-1, 0]) % 7
        cuts = Cuts(data.scaler.cuts.validation_from - late, data.scaler.cuts.test_from)
        return replace(data, scaler=replace(data.scaler, cuts=cuts))

    assert "the date where validation begins" in whats(check(by_the_last_price))
