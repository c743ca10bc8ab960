"""Splits by date, scaling on the training rows, and the resulting batches."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.typing import NDArray

from seqkit.data.series import TARGETS, Features, PreparedSeries, Scaler, prepare_series
from seqkit.errors import SourceError
from seqkit.sources import Series


def make(name: str = "X", rows: int = 200, seed: int = 0, start: str = "2020-01-01") -> Series:
    returns = 0.02 * np.random.default_rng(seed).standard_normal(rows)
    dates = np.busday_offset(start, np.arange(rows), roll="forward")
    return Series(name, dates, 50 * np.exp(returns.cumsum())[:, None], ("price",))


def prepare(*series: Series, target: str = "return", **options: object) -> PreparedSeries:
    options = {"fractions": (0.6, 0.2, 0.2), "seq_len": 10, **options}
    return prepare_series(series, Features(lags=[1]), TARGETS[target], **options)


def returns_of(series: Series) -> NDArray[np.float64]:
    return np.diff(np.log(series.values[:, 0]))


def test_each_row_predicts_the_return_of_the_next() -> None:
    series = make()
    data = prepare(series)
    returns, scale = returns_of(series), data.scaler.symbols["X"]
    stream = data.training_stream()
    assert len(stream) == round(0.6 * 197)  # 200 rows; a lag and a return reach back two, one is predicted
    np.testing.assert_allclose(scale.unscaled(stream.targets), returns[2 : 2 + len(stream)], rtol=1e-5)
    read = stream.inputs * scale.scales + scale.centers
    np.testing.assert_allclose(read[:, 0], returns[1 : 1 + len(stream)], atol=1e-7)
    np.testing.assert_allclose(read[:, 1], returns[: len(stream)], atol=1e-7)


def test_the_scaler_knows_the_training_rows_only() -> None:
    series = make()
    data = prepare(series)
    stream, scale = data.training_stream(), data.scaler.symbols["X"]
    np.testing.assert_allclose(stream.inputs.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(stream.inputs.std(0), 1, rtol=1e-5)
    np.testing.assert_allclose(np.sqrt((stream.targets**2).mean()), 1, rtol=1e-5)
    assert scale.target_center == 0  # a return of zero is the flat forecast
    assert scale.fit_rows == len(stream) + 1
    assert np.datetime64(scale.fit_to) < data.scaler.cuts.validation_from


def test_targets_never_cross_a_split() -> None:
    data = prepare(make("X", seed=1), make("Y", 150, seed=2, start="2020-03-11"))
    cuts = data.scaler.cuts
    counts = {split: data.counts(split) for split in ("train", "validation", "test")}
    for symbol in data.symbols:
        assert sum(counts[split][symbol.name] for split in counts) == len(symbol.target_dates)
    batch = data.reading("validation")
    assert batch.inputs.shape[0] == batch.targets.shape[0] == 2
    for row, symbol in enumerate(data.symbols):
        counted = np.flatnonzero(batch.mask[row])
        dates = symbol.target_dates[counted]
        assert dates[0] >= cuts.validation_from
        assert dates[-1] < cuts.test_from
        assert len(dates) == counts["validation"][symbol.name]


def test_all_symbols_are_cut_at_the_same_dates() -> None:
    data = prepare(make("X"), make("Y", 150, start="2020-03-02"))
    cuts = data.scaler.cuts
    for symbol in data.symbols:
        split = cuts.split_of(symbol.target_dates)
        assert (np.diff(split) >= 0).all()
        assert set(split) == {0, 1, 2}


def test_dates_can_be_given() -> None:
    cuts = prepare(make(), validation_from="2020-06-01", test_from="2020-08-03").scaler.cuts
    assert (str(cuts.validation_from), str(cuts.test_from)) == ("2020-06-01", "2020-08-03")
    with pytest.raises(SourceError, match="series.test_from='soon' is not a date such as 2012-12-31"):
        prepare(make(), test_from="soon")
    with pytest.raises(SourceError, match="series.test_from=2030-01-01 is outside the rows to predict, 2020"):
        prepare(make(), test_from="2030-01-01")
    with pytest.raises(SourceError, match="the test split begins at 2020-02-03, before the validation split"):
        prepare(make(), test_from="2020-02-03")


def test_a_price_target_is_centred() -> None:
    series = make()
    data = prepare(series, target="price")
    scale, stream = data.scaler.symbols["X"], data.training_stream()
    assert abs(stream.targets.mean()) < 1e-5
    np.testing.assert_allclose(
        scale.unscaled(stream.targets), series.values[3 : 3 + len(stream), 0], rtol=1e-5
    )
    np.testing.assert_allclose(
        data.target.returns(np.array([110.0, -5.0]), np.log([100.0, 100.0])), np.log([1.1, 1e-6])
    )


class TestTooShort:
    def test_it_says_how_many_rows_are_needed(self) -> None:
        with pytest.raises(SourceError) as caught:
            prepare(make(rows=60), seq_len=50)
        assert str(caught.value) == (
            "X: 60 rows are too few (rows to predict: train 34, needs 50; validation 12, needs 20; "
            "test 11, needs 20).\n"
            "  With train.seq_len = 50 and features that reach back 3 rows, 103 are enough. "
            "Give more rows, or make train.seq_len, series.horizon or the features' reach smaller."
        )
        prepare(make(rows=103), seq_len=50)

    def test_as_many_as_it_says_are_enough(self) -> None:
        for horizon in (1, 7):
            with pytest.raises(SourceError) as caught:
                prepare(make(rows=30), horizon=horizon)
            needed = int(str(caught.value).partition("back 3 rows, ")[2].split()[0])
            prepare(make(rows=needed), horizon=horizon)

    def test_of_several_symbols_it_says_which_to_leave_out(self) -> None:
        with pytest.raises(SourceError) as caught:
            prepare(make("X"), make("FB", 30, start="2020-08-20"), make("Y"))
        message = str(caught.value)
        assert message.startswith("FB: 30 rows are too few")
        assert message.endswith('Leave FB out: source.symbol=["X", "Y"].')

    def test_a_symbol_that_ends_before_the_test(self) -> None:
        with pytest.raises(SourceError) as caught:
            prepare(make("X"), make("Y", 150))
        assert str(caught.value) == (
            "Y: its 150 rows, 2020-01-01 to 2020-07-28, do not fit the split dates, which are the same for "
            "all symbols (rows to predict: train 118, needs 10; validation 29, needs 20; test 0, needs 20).\n"
            '  Leave Y out: source.symbol=["X"]; or choose the dates: series.validation_from and '
            "series.test_from."
        )

    def test_two_rows_are_an_error_too(self) -> None:
        with pytest.raises(SourceError, match="X: 2 rows are too few"):
            prepare(make(rows=2))


def test_missing_numbers_are_the_training_mean_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    series = make()
    volume = np.full(200, 5.0) + np.arange(200) % 3
    volume[100] = np.nan
    series = Series("X", series.dates, np.column_stack([series.values, volume]), ("price", "volume"))
    with caplog.at_level(logging.WARNING):
        data = prepare_series(
            [series], Features(volume=True), TARGETS["return"], fractions=(0.6, 0.2, 0.2), seq_len=10
        )
    assert "X: volume is missing in 2 rows; the model reads the training mean instead" in caplog.text
    inputs = data.inputs[0]
    assert (inputs[99:101, 1] == 0).all()
    assert np.isfinite(inputs).all()


class TestLaterData:
    def test_the_scaler_of_a_run_is_used_as_it_is(self) -> None:
        first = prepare(make(rows=150))
        longer = make(rows=200)
        later = prepare(longer, scaler=Scaler.from_json(first.scaler.to_json()))
        assert later.scaler == first.scaler
        np.testing.assert_array_equal(later.inputs[0][: len(first.inputs[0])], first.inputs[0])

    def test_an_unknown_symbol(self) -> None:
        scaler = prepare(make("AAPL"), make("IBM", seed=1)).scaler
        with pytest.raises(SourceError) as caught:
            prepare(make("APPL"), scaler=scaler)
        assert str(caught.value) == (
            "the run was not trained on 'APPL', so it has no scale for it. Did you mean 'AAPL'?\n"
            "  It knows AAPL, IBM."
        )


def test_a_price_that_never_moves() -> None:
    series = make()
    series.values[:] = 7.5
    with pytest.raises(SourceError, match="X: the price never moves in the training split; there is nothing"):
        prepare(series)


def test_a_price_that_is_not_positive() -> None:
    series = make()
    series.values[7] = 0
    with pytest.raises(
        SourceError, match="X: the price of 2020-01-10 is 0.0; log returns need positive, finite"
    ):
        prepare(series)
