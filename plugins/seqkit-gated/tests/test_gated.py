import pytest
import torch
from seqkit_gated.gru import GRU
from seqkit_gated.lstm import LSTM, LayerNormLSTM
from seqkit_gated.minimal import MinGRU, MinLSTM, positive
from torch import nn

import seqkit
from seqkit.testing import CellCase, parametrize_with_checks

CASES = [
    CellCase("lstm"),
    CellCase("lnlstm"),
    CellCase("gru"),
    CellCase("gru", reset="before"),
    CellCase("mingru"),
    CellCase("minlstm"),
]


@parametrize_with_checks(CASES)
def test_conformance(check):
    check()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_with_the_weights_of_torch_the_outputs_are_equal(kind):
    theirs = getattr(nn, kind)(3, 5, batch_first=True).double()
    ours = {"LSTM": LSTM, "GRU": GRU}[kind](3, 5).double()
    ours.copy_from_torch(theirs)
    x = torch.randn(4, 9, 3, dtype=torch.float64)
    outputs, final = seqkit.unroll(ours, x)
    expected, expected_final = theirs(x)
    torch.testing.assert_close(outputs, expected)
    if kind == "LSTM":
        torch.testing.assert_close(final, (expected_final[0][0], expected_final[1][0]))
    else:
        torch.testing.assert_close(final, expected_final[0])


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_step_equals_that_of_torchs_cell(kind):
    theirs = getattr(nn, f"{kind}Cell")(3, 5)
    ours = {"LSTM": LSTM, "GRU": GRU}[kind](3, 5)
    ours.copy_from_torch(theirs)
    x, hidden, memory = torch.randn(4, 3), torch.randn(4, 5), torch.randn(4, 5)
    state = (hidden, memory) if kind == "LSTM" else hidden
    torch.testing.assert_close(ours.step(x, state)[1], theirs(x, state))


def test_the_published_gru_resets_before_the_matrix():
    cell = GRU(3, 5, reset="before")
    x, h = torch.randn(4, 3), torch.randn(4, 5)
    w_r, w_z, w_n = cell.i2h.weight.chunk(3)
    a_r, a_z, a_n = cell.i2h.bias.chunk(3)
    u_r, u_z, u_n = cell.h2h.weight.chunk(3)
    b_r, b_z, b_n = cell.h2h.bias.chunk(3)
    r = torch.sigmoid(x @ w_r.T + a_r + h @ u_r.T + b_r)
    z = torch.sigmoid(x @ w_z.T + a_z + h @ u_z.T + b_z)
    n = torch.tanh(x @ w_n.T + a_n + (r * h) @ u_n.T + b_n)
    torch.testing.assert_close(cell.step(x, h)[0], (1 - z) * n + z * h)


def test_layer_normalisation_equals_that_of_the_paper():
    cell = LayerNormLSTM(3, 5)

    def norm(v, gain=1.0, bias=0.0):
        return (v - v.mean(1, keepdim=True)) / (
            v.var(1, unbiased=False, keepdim=True) + 1e-5
        ).sqrt() * gain + bias

    x, h, c = torch.randn(4, 3), torch.randn(4, 5), torch.randn(4, 5)
    gates = norm(x @ cell.i2h.weight.T) + norm(h @ cell.h2h.weight.T) + cell.hidden_norm.bias
    i, f, g, o = gates.chunk(4, 1)
    memory = f.sigmoid() * c + i.sigmoid() * g.tanh()
    out, (_, after) = cell.step(x, (h, c))
    torch.testing.assert_close(after, memory)
    torch.testing.assert_close(out, o.sigmoid() * norm(memory).tanh())


def test_the_forget_gate_starts_open():
    assert torch.all(LSTM(3, 5, forget_bias=2.0).h2h.bias[5:10] == 2.0)
    assert torch.all(LayerNormLSTM(3, 5, forget_bias=2.0).hidden_norm.bias[5:10] == 2.0)


def test_minimal_cells_are_weighted_means():
    x, h = torch.randn(4, 3), torch.rand(4, 5)
    cell = MinGRU(3, 5)
    gate, candidate = cell.i2h(x).chunk(2, 1)
    torch.testing.assert_close(cell.step(x, h)[0], torch.lerp(h, positive(candidate), gate.sigmoid()))
    cell = MinLSTM(3, 5)
    f, i, candidate = cell.i2h(x).chunk(3, 1)
    share = i.sigmoid() / (f.sigmoid() + i.sigmoid())
    torch.testing.assert_close(cell.step(x, h)[0], torch.lerp(h, positive(candidate), share))


def test_the_candidate_is_positive_and_continuous():
    x = torch.linspace(-20, 20, 999)
    assert (positive(x) > 0).all()
    assert positive(torch.tensor(-1e-6)).item() == pytest.approx(
        positive(torch.tensor(1e-6)).item(), abs=1e-5
    )


@pytest.mark.parametrize("name", ["char-lstm", "char-gru", "char-mingru"])
def test_its_recipes_train(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKIT_CACHE", str(tmp_path / "cache"))
    recipe = seqkit.Recipe.load(name).override(["train.steps=4", "cell.hidden_size=8", "train.seq_len=10"])
    run = seqkit.train(recipe, tmp_path / "run")
    assert run.provenance["components"]["cell"]["distribution"] == "seqkit-gated"
    assert seqkit.load(run.path).generate("The ", max_tokens=5)
