import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from seqkit import SequenceModel
from seqkit.bench.steps import GRU, LSTM
from seqkit.cells import RNN, Stacked
from seqkit.errors import OutOfRangeError, SourceError
from seqkit.inference import States, read_states, states
from seqkit.tokenizers import CharTokenizer
from seqkit.tokenizers.documents import with_end

TOKENIZER = CharTokenizer("abcж\n")
SIZE = TOKENIZER.vocab_size
TEXT = "abжc\n☃ab" * 400  # longer than one pass


@pytest.fixture
def model() -> SequenceModel:
    torch.manual_seed(1)
    return SequenceModel(Stacked([LSTM(SIZE, 7), GRU(7, 5)]), vocab_size=SIZE, dropout=0.5)


def test_the_values_are_those_of_single_steps(model: SequenceModel) -> None:
    found = read_states(model, TOKENIZER, TEXT)
    assert found.values.shape == (len(TEXT), 5)
    assert found.values.dtype == np.float32
    assert (found.text, found.tokens, found.layer) == (TEXT, tuple(TEXT), 1)
    ids = [TOKENIZER.start_id, *TOKENIZER.encode(TEXT[:30]).tolist()]
    state = model.cell.initial_state(1)
    for step, index in enumerate(ids):
        row = torch.nn.functional.one_hot(torch.tensor([index]), SIZE).float()
        output, state = model.cell.step(row, state)
        if step:
            np.testing.assert_allclose(found.unit(3)[step - 1], output[0, 3].item(), atol=1e-5)


@pytest.mark.ci
def test_the_state_is_carried_over_passes(model: SequenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_states(model, TOKENIZER, TEXT)
    monkeypatch.setattr(states, "CHUNK", 7)
    pieces = read_states(model, TOKENIZER, iter([TEXT[:100], TEXT[100:]]))
    np.testing.assert_allclose(pieces.values, whole.values, atol=1e-5)


def test_a_layer_below_is_that_of_its_own_cell(model: SequenceModel) -> None:
    below = read_states(model, TOKENIZER, TEXT, layer=0)
    alone = SequenceModel(model.cell.cells[0], vocab_size=SIZE)
    np.testing.assert_allclose(below.values, read_states(alone, TOKENIZER, TEXT).values, atol=1e-6)
    assert (below.layer, below.values.shape[1]) == (0, 7)
    assert read_states(model, TOKENIZER, "ab", layer=-2).layer == 0
    assert repr(below) == "States(3200 tokens, 7 units, layer=0)"
    assert all(module.training for module in model.modules())


def test_the_state_is_reset_between_documents_on_lines() -> None:
    tokenizer = with_end(CharTokenizer("abc"))
    model = SequenceModel(RNN(tokenizer.vocab_size, 6), vocab_size=tokenizer.vocab_size)
    found = read_states(model, tokenizer, "ab\nab\n", lines=True)
    assert found.tokens == ("a", "b", "\n", "a", "b", "\n")
    np.testing.assert_allclose(found.values[:3], found.values[3:], atol=1e-6)


def test_invalid_requests_are_errors(model: SequenceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="no text to read"):
        read_states(model, TOKENIZER, "")
    with pytest.raises(OutOfRangeError, match="no layer 2: the model has 2 layers, and the first one is 0"):
        read_states(model, TOKENIZER, "ab", layer=2)
    with pytest.raises(OutOfRangeError, match="there is no unit 5: layer 1 has the units 0 to 4"):
        read_states(model, TOKENIZER, "ab").unit(5)
    monkeypatch.setattr(states, "MAX_BYTES", 1000)
    with pytest.raises(OutOfRangeError, match="5 units after more than 50 tokens take more than 2 GiB"):
        read_states(model, TOKENIZER, "a" * 60)


class TestRanking:
    found = States(
        ("ab", "", "c", "d"), np.array([[0, 3, 1], [9, 9, 1], [1, 0, 1], [2, 0, 1]], np.float32), 0
    )

    def test_the_most_variable_unit_is_first(self) -> None:
        deviations = dict(self.found.most_variable())
        assert list(deviations) == [1, 0, 2]
        assert deviations[0] == pytest.approx(np.std([0, 9, 1, 2]))
        assert self.found.most_variable(1) == [(1, pytest.approx(np.std([3, 9, 0, 0])))]

    def test_a_correlation_is_over_characters(self) -> None:
        where = [True, True, False, True]  # "ab" and "d"; a token without text counts for nothing
        found = dict(self.found.most_correlated(where))
        for unit, values in enumerate([[0, 0, 1, 2], [3, 3, 0, 0]]):
            assert found[unit] == pytest.approx(np.corrcoef(values, where)[0, 1], abs=1e-6)
        assert found[2] == 0  # a unit that never changes
        assert list(found) == [1, 0, 2]

    def test_a_property_has_to_fit(self) -> None:
        with pytest.raises(OutOfRangeError, match=r"a bool for each of the 4 characters .* got shape \(3,\)"):
            self.found.most_correlated([True, False, True])
        with pytest.raises(OutOfRangeError, match="all characters have, or none"):
            self.found.most_correlated([True] * 4)


class TestFiles:
    found = States(("a", '",\n', "", "é\0"), np.arange(12, dtype=np.float32).reshape(4, 3) / 7, 2)

    def test_npz_holds_all_of_it_without_pickle(self, workdir: Path) -> None:
        self.found.save("states.npz")
        with np.load("states.npz", allow_pickle=False) as data:
            assert bytes(data["text"]).decode("utf-8") == self.found.text
            assert data["lengths"].tolist() == [1, 3, 0, 2]
            np.testing.assert_array_equal(data["values"], self.found.values)
            assert int(data["layer"]) == 2

    def test_csv_has_a_row_for_every_token(self, workdir: Path) -> None:
        self.found.save("states.csv")
        with Path("states.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["token", "unit_0", "unit_1", "unit_2"]
        assert [row[0] for row in rows] == list(self.found.tokens)
        np.testing.assert_allclose(np.array([row[1:] for row in rows], float), self.found.values, rtol=1e-5)

    def test_other_extensions_are_errors(self) -> None:
        with pytest.raises(OutOfRangeError, match=r".npz or .csv, pictures as .png; states.pkl has another"):
            self.found.save("states.pkl")
        with pytest.raises(OutOfRangeError, match=r"a picture is a .png file, and states.jpg is not one"):
            self.found.plot(0, "states.jpg")
