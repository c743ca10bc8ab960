import math

import pytest
import torch

from seqkit.errors import ContractError, SamplingError, UnknownNameError
from seqkit.heads import check_sampling, make_head, penalize_repetition


def test_the_linear_head_gives_logits_and_their_cross_entropy() -> None:
    head = make_head("linear", 4, 6)
    hidden, targets = torch.randn(10, 4), torch.randint(6, (10,))
    logits = head(hidden)
    weight, bias = head.state_dict().values()
    torch.testing.assert_close(logits, hidden @ weight.T + bias)
    expected = -torch.log_softmax(logits, -1)[torch.arange(10), targets]
    torch.testing.assert_close(head.loss(logits, targets), expected)


def test_no_head_takes_the_output_as_it_is() -> None:
    head = make_head("none", 6, 6)
    hidden = torch.randn(3, 6)
    assert torch.equal(head(hidden), hidden)
    assert not list(head.parameters())
    with pytest.raises(ContractError, match=r"must have 6 features; it has 4.\n.*output_size=6"):
        make_head("none", 4, 6)


def test_an_unknown_head() -> None:
    with pytest.raises(UnknownNameError, match="no head is called 'liner'. Did you mean 'linear'"):
        make_head("liner", 4, 6)


class TestSampling:
    LOGITS = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))

    def draw(self, count: int = 20_000, **options: float) -> list[float]:
        """The share of each id."""
        head = make_head("none", 4, 4)
        generator = torch.Generator().manual_seed(0)
        drawn = head.sample(self.LOGITS.expand(count, 4), generator, **options)
        assert drawn.shape == (count,)
        return [float((drawn == i).float().mean()) for i in range(4)]

    def test_the_shares_are_the_probabilities(self) -> None:
        assert self.draw() == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.015)

    def test_temperature_sharpens(self) -> None:
        powers = [p**2 for p in (0.5, 0.3, 0.15, 0.05)]
        assert self.draw(temperature=0.5) == pytest.approx([p / sum(powers) for p in powers], abs=0.015)

    def test_temperature_zero_is_greedy(self) -> None:
        assert self.draw(temperature=0) == [1, 0, 0, 0]
        assert self.draw(temperature=1e-50) == [1, 0, 0, 0]

    def test_top_k(self) -> None:
        assert self.draw(top_k=2) == pytest.approx([0.625, 0.375, 0, 0], abs=0.015)
        assert self.draw(top_k=1) == [1, 0, 0, 0]
        assert self.draw(top_k=99)[3] > 0

    def test_ties_do_not_make_more_of_them(self) -> None:
        head = make_head("none", 4, 4)
        generator = torch.Generator().manual_seed(0)
        assert head.sample(torch.zeros(1000, 4), generator, top_k=1).unique().numel() == 1
        assert head.sample(torch.zeros(1000, 4), generator, top_k=3).unique().numel() == 3
        ten = make_head("none", 10, 10).sample(torch.zeros(5000, 10), generator, top_p=0.6)
        assert ten.unique().numel() == 6

    def test_a_prediction_that_is_nan_is_reported(self) -> None:
        with pytest.raises(SamplingError, match="not a number: its weights have diverged"):
            make_head("none", 4, 4).sample(torch.full((4,), math.nan))

    def test_top_p(self) -> None:
        assert self.draw(top_p=0.79) == pytest.approx([0.625, 0.375, 0, 0], abs=0.015)
        assert self.draw(top_p=0.5) == [1, 0, 0, 0]
        assert self.draw(top_p=1e-9) == [1, 0, 0, 0]
        assert self.draw(top_p=1)[3] > 0

    def test_an_impossible_id_is_never_drawn(self) -> None:
        head = make_head("none", 4, 4)
        logits = torch.tensor([0.0, -math.inf, 0.0, 0.0]).expand(1000, 4)
        assert not (head.sample(logits, torch.Generator().manual_seed(0)) == 1).any()

    def test_what_was_drawn_before_is_less_likely(self) -> None:
        """By hand: exp(x / (T theta)) of a positive logit that was drawn, as in equation 1 of CTRL."""
        logits = torch.tensor([2.0, 1.0, 0.5, -1.0])
        drawn = torch.tensor([True, False, True, True])
        penalized = penalize_repetition(logits, drawn, 1.25)
        torch.testing.assert_close(penalized, torch.tensor([1.6, 1.0, 0.4, -1.25]))
        before, after = logits.softmax(-1), penalized.softmax(-1)
        assert (after < before).tolist() == [True, False, False, True]
        assert torch.equal(penalize_repetition(logits, drawn, 1.0), logits)
        assert torch.equal(penalize_repetition(logits, torch.zeros(4, dtype=torch.bool), 9.0), logits)
        many = penalize_repetition(logits.expand(2, 3, 4), drawn, 1.25)
        torch.testing.assert_close(many, penalized.expand(2, 3, 4))
        impossible = penalize_repetition(torch.tensor([-math.inf]), torch.tensor([True]), 2.0)
        assert impossible.item() == -math.inf

    @pytest.mark.parametrize("penalty", [0, -1.0, math.inf, math.nan])
    def test_a_penalty_out_of_range(self, penalty: float) -> None:
        with pytest.raises(SamplingError, match=r"repetition_penalty must be greater than 0 \(1.0 is off\)"):
            check_sampling(1.0, None, None, penalty)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"temperature": -1}, r"temperature must be 0 \(greedy\) or greater, got -1"),
            ({"temperature": math.inf}, "temperature"),
            ({"temperature": math.nan}, "temperature"),
            ({"top_k": 0}, "top_k must be 1 or greater, got 0"),
            ({"top_p": 0}, "top_p must be greater than 0 and at most 1, got 0"),
            ({"top_p": 1.5}, "got 1.5"),
        ],
    )
    def test_options_out_of_range(self, options: dict[str, float], message: str) -> None:
        with pytest.raises(SamplingError, match=message):
            self.draw(**options)


def test_the_prediction_is_the_likeliest_id() -> None:
    head = make_head("none", 4, 4)
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0], [5.0, 1.0, 1.0, 1.0]])
    assert head.predict(logits).tolist() == head.sample(logits, temperature=0).tolist() == [1, 0]
