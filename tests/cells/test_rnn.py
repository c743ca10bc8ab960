import inspect

import torch

from seqkit.cells import RNN
from seqkit.registry.builtin import RNNConfig


def test_the_state_dict_is_the_three_matrices_and_nothing_else() -> None:
    assert list(RNN(3, 4).state_dict()) == ["i2h.weight", "h2h.weight", "h2h.bias"]
    assert list(RNN(3, 4, output_size=2).state_dict()) == [
        "i2h.weight",
        "h2h.weight",
        "h2h.bias",
        "h2o.weight",
        "h2o.bias",
    ]


def test_a_step_is_the_three_matrices_written_out() -> None:
    rnn = RNN(3, 4, output_size=2)
    x, hidden = torch.randn(5, 3), torch.randn(5, 4)
    out, after = rnn(x, hidden)
    i2h, h2h, bias, h2o, out_bias = rnn.state_dict().values()
    expected = torch.tanh(x @ i2h.T + hidden @ h2h.T + bias)
    torch.testing.assert_close(after, expected)
    torch.testing.assert_close(out, expected @ h2o.T + out_bias)


def test_a_step_is_that_of_torch_with_the_weights_copied() -> None:
    rnn, theirs = RNN(3, 4), torch.nn.RNNCell(3, 4)
    with torch.no_grad():
        theirs.weight_ih.copy_(rnn.i2h.weight)
        theirs.weight_hh.copy_(rnn.h2h.weight)
        theirs.bias_ih.zero_()
        theirs.bias_hh.copy_(rnn.h2h.bias)
    hidden = rnn.init_zero_hidden(batch_size=5)
    expected = torch.zeros(5, 4)
    for _ in range(6):
        x = torch.randn(5, 3)
        out, hidden = rnn(x, hidden)
        expected = theirs(x, expected)
        torch.testing.assert_close(hidden, expected)
        assert out is hidden


def test_the_hidden_state_starts_at_zero() -> None:
    rnn = RNN(3, 4).double()
    for hidden in (rnn.init_zero_hidden(2), rnn.initial_state(2)):
        assert hidden.shape == (2, 4)
        assert hidden.dtype == torch.float64
        assert not hidden.any()
    assert rnn.init_zero_hidden().shape == (1, 4)


def test_every_field_of_its_config_is_a_keyword() -> None:
    assert list(RNNConfig.model_fields) == ["hidden_size"]
    assert "hidden_size" in inspect.signature(RNN).parameters
