import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from seqkit import SequenceModel, unroll
from seqkit.cells import RNN, Stacked
from seqkit.errors import ContractError, UnknownNameError


def test_it_is_encoder_cell_head() -> None:
    cell = RNN(5, 4)
    model = SequenceModel(cell, encoder="embedding", vocab_size=7)
    ids = torch.randint(7, (2, 6))
    outputs, state = model(ids)
    hidden, expected_state = unroll(cell, model.encoder.weight[ids])
    torch.testing.assert_close(outputs, model.head(hidden))
    torch.testing.assert_close(state, expected_state)
    assert outputs.shape == (2, 6, 7)
    assert outputs.transpose(0, 1).is_contiguous()


def test_one_hot_needs_no_vocab_size() -> None:
    outputs, _ = SequenceModel(RNN(7, 4))(torch.randint(7, (2, 6)))
    assert outputs.shape == (2, 6, 7)


def test_raw_numbers_are_features() -> None:
    model = SequenceModel(RNN(1, 4, output_size=3), encoder="raw", head="none")
    ids = torch.randint(3, (2, 6))
    for inputs in (ids, ids.float(), ids.float()[..., None]):
        outputs, _ = model(inputs)
        torch.testing.assert_close(outputs, unroll(model.cell, ids.float()[..., None])[0])


def test_a_double_model_reads_ids_and_its_loss_keeps_the_digits() -> None:
    model = SequenceModel(RNN(1, 4, output_size=3), encoder="raw", head="none").double()
    outputs, _ = model(torch.randint(3, (2, 6)))
    assert outputs.dtype == torch.float64
    assert model.head.loss(outputs[:, 0], torch.tensor([0, 1])).dtype == torch.float64


def test_the_logits_of_a_cell_are_not_dropped() -> None:
    model = SequenceModel(RNN(7, 4, output_size=7), head="none", dropout=0.5)
    assert not (model(torch.randint(7, (2, 6)))[0] == 0).any()


def test_small_integers_are_ids() -> None:
    ids = torch.randint(7, (2, 6))
    model = SequenceModel(RNN(7, 4))
    assert torch.equal(model(ids.to(torch.uint8))[0], model(ids)[0])


def test_a_module_can_be_the_encoder() -> None:
    model = SequenceModel(RNN(3, 4), encoder=nn.Linear(2, 3), output_size=5)
    assert model(torch.randn(2, 6, 2))[0].shape == (2, 6, 5)


def test_stacked_layers_are_those_of_the_plain_unroll() -> None:
    cell = Stacked([RNN(7, 4), RNN(4, 5)])
    model = SequenceModel(cell, output_size=7)
    ids = torch.randint(7, (3, 6))
    reset = torch.rand(3, 6) < 0.3
    state = (torch.randn(3, 4), torch.randn(3, 5))
    outputs, after = model(ids, state, reset)
    hidden, expected = unroll(cell, ids, state, reset=reset)
    torch.testing.assert_close(outputs, model.head(hidden))
    torch.testing.assert_close(after, expected)
    assert model(ids)[1][0].shape == (3, 4)


def test_dropout_acts_in_training_only_and_between_the_layers() -> None:
    model = SequenceModel(Stacked([RNN(4, 4), RNN(4, 4)]), encoder="embedding", vocab_size=7, dropout=0.5)
    ids = torch.randint(7, (3, 6))
    assert not torch.equal(model(ids)[0], model(ids)[0])
    torch.manual_seed(1)
    dropped, _ = model.hidden(ids)
    assert 0.2 < float((dropped == 0).float().mean()) < 0.8
    model.eval()
    assert torch.equal(model(ids)[0], model(ids)[0])


def test_a_parametrised_weight_is_computed_once_per_unroll() -> None:
    cell = RNN(4, 4)
    calls = []

    class Count(nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return weight * 2

    nn.utils.parametrize.register_parametrization(cell.h2h, "weight", Count())
    model = SequenceModel(cell, vocab_size=4)
    calls.clear()
    model(torch.randint(4, (2, 20)))
    assert len(calls) == 1


def test_weight_normalisation_trains() -> None:
    cell = RNN(4, 4)
    parametrizations.weight_norm(cell.h2h)
    model = SequenceModel(cell, vocab_size=4)
    model(torch.randint(4, (2, 5)))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in cell.parameters())


def test_parts_that_do_not_fit_are_reported() -> None:
    with pytest.raises(
        ContractError, match=r"encoder 'one_hot' gives 9 features.* the cell takes 5.\n.*embedding"
    ):
        SequenceModel(RNN(5, 4), vocab_size=9)
    with pytest.raises(ContractError, match="needs vocab_size or output_size"):
        SequenceModel(RNN(5, 4), encoder="raw")
    with pytest.raises(ContractError, match="'embedding' needs vocab_size"):
        SequenceModel(RNN(5, 4), encoder="embedding", output_size=3)
    with pytest.raises(UnknownNameError, match="no encoder is called 'onehot'"):
        SequenceModel(RNN(5, 4), encoder="onehot", output_size=3)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no engine is called 'fast'"):
        SequenceModel(RNN(5, 4), engine="fast")


def test_recomputed_steps_give_the_same_gradients() -> None:
    model = SequenceModel(Stacked([RNN(7, 4), RNN(4, 4)]), vocab_size=7)
    ids = torch.randint(7, (2, 6))
    gradients = []
    for model.recompute_every in (None, 4):
        model.zero_grad()
        outputs, _ = model(ids)
        outputs.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients)


def test_the_encoder_may_have_a_dropout_of_its_own() -> None:
    def zeros_before_the_cell(**dropout: float) -> int:
        torch.manual_seed(0)
        model = SequenceModel(RNN(50, 4), encoder="embedding", vocab_size=7, **dropout)
        seen: list[torch.Tensor] = []
        model.cell.i2h.register_forward_hook(lambda module, given, _: seen.append(given[0]))
        model.engine = "loop"
        model(torch.zeros(2, 3, dtype=torch.long))
        return sum(int((x == 0).sum()) for x in seen)

    assert zeros_before_the_cell(dropout=0.5) > 50
    assert zeros_before_the_cell(dropout=0.5, encoder_dropout=0.0) == 0
    assert zeros_before_the_cell(dropout=0.0, encoder_dropout=0.5) > 50
