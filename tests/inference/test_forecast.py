"""Forecasts, compared with an explicit loop over the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqkit.cells import RNN
from seqkit.data.series import TARGETS, Features, PreparedSeries, prepare_series
from seqkit.errors import ContractError
from seqkit.inference.forecast import Forecast, forecast_blocks, mean_forecast
from seqkit.inference.outlook import make_outlook
from seqkit.model import SequenceModel
from seqkit.sources.synthetic import Synthetic

FEATURES = Features(lags=[1], sums=[3], volatilities=[4])
LEVELS = (0.05, 0.25, 0.75, 0.95)


def prepared(target: str = "return", symbols: int = 1) -> PreparedSeries:
    features = Features(price=True) if target == "price" else FEATURES
    source = Synthetic("ar1", 300, symbols=symbols)
    return prepare_series(source.series(), features, TARGETS[target], fractions=(0.6, 0.2, 0.2))


def model_for(data: PreparedSeries, head: str) -> SequenceModel:
    torch.manual_seed(0)
    model = SequenceModel(RNN(len(data.features.names), 5), encoder="raw", head=head)
    torch.nn.init.normal_(model.head.projection.weight, std=0.5)
    return model.eval()


def forecast(data: PreparedSeries, model: SequenceModel, origins: list[int], **options: object) -> Forecast:
    options = {"horizon": 1, "levels": LEVELS, "paths": 64, "seed": 0, **options}
    blocks = list(forecast_blocks(model, data, 0, np.array(origins), **options))
    quantiles = None if blocks[0].quantiles is None else np.concatenate([block.quantiles for block in blocks])
    return Forecast(
        np.concatenate([block.origins for block in blocks]),
        np.concatenate([block.location for block in blocks]),
        quantiles,
    )


@torch.no_grad()
@pytest.mark.parametrize("head", ["point", "gaussian", "student_t", "quantile"])
def test_one_row_ahead_is_what_the_model_says_after_all_rows_up_to_the_origin(head: str) -> None:
    data = prepared()
    model, rows, scale = model_for(data, head), data.symbols[0], data.scaler.symbols["S1"]
    found = forecast(data, model, [100, 101, 250])
    for place, origin in enumerate([100, 101, 250]):
        outputs, _ = model(torch.from_numpy(data.inputs[0][None, : origin - rows.first + 1]))
        expected = model.head.location(outputs)[0, -1].item() * scale.target_scale
        assert found.location[place, 0] == pytest.approx(expected, rel=1e-5)
        if head == "point":
            assert found.quantiles is None
        else:
            levels = torch.tensor(LEVELS, dtype=torch.float64)
            quantiles = model.head.quantiles(outputs[0, -1].double(), levels) * scale.target_scale
            np.testing.assert_allclose(found.quantiles[place, 0], quantiles, rtol=1e-4)


@torch.no_grad()
def test_a_path_is_followed_as_a_loop_would() -> None:
    data = prepared()
    model, rows, scale = model_for(data, "point"), data.symbols[0], data.scaler.symbols["S1"]
    found = forecast(data, model, [120, 200], horizon=4)
    for place, origin in enumerate([120, 200]):
        log_prices = list(rows.log_prices[: origin + 1])
        inputs = torch.from_numpy(data.inputs[0][None, : origin - rows.first + 1])
        for ahead in range(4):
            outputs, _ = model(inputs)
            log_prices.append(log_prices[-1] + outputs[0, -1, 0].item() * scale.target_scale)
            assert found.location[place, ahead] == pytest.approx(
                log_prices[-1] - rows.log_prices[origin], rel=1e-4
            )
            raw = FEATURES.of_past(np.array(log_prices[-FEATURES.lookback - 1 :]))
            inputs = torch.cat([inputs, torch.from_numpy(scale.features(raw))[None, None]], 1)


def test_sampled_quantiles_of_independent_returns_grow_with_the_root_of_the_horizon() -> None:
    data = prepared()
    torch.manual_seed(0)
    model = SequenceModel(
        RNN(len(FEATURES.names), 5), encoder="raw", head="gaussian"
    )  # flat: predicts N(0, 1)
    found = forecast(data, model, [150], horizon=9, paths=20_000)
    widths = found.quantiles[0, :, 3] - found.quantiles[0, :, 0]
    np.testing.assert_allclose(widths / widths[0], np.sqrt(np.arange(1, 10)), rtol=0.03)
    assert not found.location.any()


def test_blocks_and_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared()
    model = model_for(data, "student_t")
    origins = list(range(100, 120))
    whole = forecast(data, model, origins, horizon=3)
    again = forecast(data, model, origins, horizon=3)
    np.testing.assert_array_equal(whole.quantiles, again.quantiles)
    other = forecast(data, model, origins, horizon=3, seed=1)
    assert (whole.quantiles[:, 1:] != other.quantiles[:, 1:]).any()
    np.testing.assert_array_equal(
        whole.quantiles[:, 0], other.quantiles[:, 0]
    )  # one row ahead nothing is drawn
    monkeypatch.setattr("seqkit.inference.forecast.PATH_ROWS_AT_ONCE", 64 * 3 * 7)
    blocks = forecast(data, model, origins, horizon=3)
    assert blocks.origins.tolist() == origins
    np.testing.assert_allclose(blocks.location[:, 0], whole.location[:, 0], rtol=1e-6)
    np.testing.assert_allclose(blocks.location, whole.location, atol=0.004)


def test_a_price_target_is_also_converted_to_a_return() -> None:
    data = prepared("price")
    model, rows, scale = model_for(data, "gaussian"), data.symbols[0], data.scaler.symbols["S1"]
    found = forecast(data, model, [150], horizon=2)
    with torch.no_grad():
        outputs, _ = model(torch.from_numpy(data.inputs[0][None, : 150 - rows.first + 1]))
    price = scale.unscaled(model.head.location(outputs)[0, -1].numpy())
    assert rows.log_prices[150] + found.location[0, 0] == pytest.approx(np.log(price), rel=1e-5)


def test_a_model_of_text_forecasts_nothing() -> None:
    data = prepared()
    model = SequenceModel(RNN(len(FEATURES.names), 5), encoder="raw", head="linear", output_size=3)
    with pytest.raises(
        ContractError, match="a forecast needs a head for series, and the model has Categorical"
    ):
        forecast(data, model, [100])


def test_an_outlook_is_in_prices() -> None:
    rows = prepared().symbols[0]
    quantiles = np.array([[[-0.1, -0.05, 0.05, 0.1], [-0.2, -0.1, 0.1, 0.2]]])
    up = Forecast(np.array([299]), np.array([[0.02, 0.04]]), quantiles)
    down = Forecast(np.array([299]), np.array([[0.0, 0.0]]), quantiles)
    outlook = make_outlook(rows, [up, down])
    first, second = outlook.sessions
    assert (first.label, second.label) == ("+1 session", "+2 sessions")
    assert outlook.last_price == pytest.approx(np.exp(rows.log_prices[-1]))
    assert first.price == pytest.approx(outlook.last_price * np.exp(0.01))
    assert second.quantiles["0.95"] == pytest.approx(outlook.last_price * np.exp(0.2))
    assert outlook.as_dict()["sessions"][0]["log_return"] == pytest.approx(0.01)
    rows.log_prices[-1] = np.log(273.36)
    assert float(np.exp(rows.log_prices[-1])) != 273.36
    assert make_outlook(rows, [up]).last_price == 273.36
    point = make_outlook(rows, [up._replace(quantiles=None)])
    assert point.sessions[0].quantiles is None


def test_the_mean_of_seeds_is_that_of_locations_and_of_quantiles() -> None:
    origins, quantiles = np.array([3, 4]), np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    first = Forecast(origins, np.array([[1.0], [2.0]]), quantiles)
    mean = mean_forecast([first, Forecast(origins, np.array([[3.0], [2.0]]), 3 * quantiles)])
    assert mean.location.tolist() == [[2.0], [2.0]]
    np.testing.assert_allclose(mean.quantiles, 2 * quantiles)
    assert mean_forecast([first._replace(quantiles=None)] * 2).quantiles is None


@pytest.mark.parametrize("horizon", [1, 3])
def test_seeds_that_are_read_in_turn_leave_gradients_on(horizon: int) -> None:
    data = prepared()
    options = {"horizon": horizon, "levels": LEVELS, "paths": 16}
    seeds = [
        forecast_blocks(model_for(data, "gaussian"), data, 0, np.array([100, 101]), **options)
        for _ in range(2)
    ]
    for first, second in zip(*seeds, strict=True):
        assert torch.is_grad_enabled()
        np.testing.assert_array_equal(first.location, second.location)
    assert torch.is_grad_enabled()
