import logging

import pytest
import torch
from torch import nn

import seqkit
from seqkit.cells import RNN
from seqkit.errors import BudgetError, UnknownNameError
from seqkit.plugin import CellConfig, CellPlugin
from seqkit.training import make_optimizer, make_schedule
from seqkit.training.budget import Budget
from seqkit.training.meter import Meter
from seqkit.training.state import TrainingState


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD), ("rmsprop", torch.optim.RMSprop)],
)
def test_optimizers_by_name_decay_matrices_only(name: str, kind: type) -> None:
    cell = RNN(3, 4)
    cell.i2h.weight.requires_grad_(False)
    optimizer = make_optimizer(name, cell.parameters(), learning_rate=0.1, weight_decay=0.5)  # type: ignore[arg-type]
    assert type(optimizer) is kind
    matrices, vectors = optimizer.param_groups
    assert [p.shape for p in matrices["params"]] == [(4, 4)]
    assert [p.shape for p in vectors["params"]] == [(4,)]
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.5, 0.0)


def test_a_marked_parameter_is_not_decayed() -> None:
    rates, weight = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(3, 4))
    rates._no_weight_decay = True  # type: ignore[attr-defined]  # the mark of S4's code, and of others
    made = make_optimizer("adamw", [rates, weight], learning_rate=0.1, weight_decay=0.5)
    assert [group["weight_decay"] for group in made.param_groups] == [0.5, 0.0]
    assert made.param_groups[0]["params"] == [weight]
    rates.grad, weight.grad = torch.zeros(3, 4), torch.zeros(3, 4)
    made.step()
    assert torch.equal(rates, torch.ones(3, 4))
    assert (weight < 1).all()


class Decaying(RNN):
    """With a table of rates that no layer multiplies by."""

    def __init__(self, input_size: int) -> None:
        super().__init__(input_size, 4)
        self.rates = nn.Parameter(torch.ones(2, 4))


def test_a_decayed_matrix_of_another_kind_is_named(
    tiny_recipe: seqkit.Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = CellPlugin("decaying", CellConfig, Decaying)
    recipe = seqkit.Recipe(**{**tiny_recipe.resolve().tables(), "cell": {"use": "decaying"}})
    with caplog.at_level(logging.INFO):
        seqkit.train(recipe.override(["train.steps=1", "train.weight_decay=0.1"]), "a", plugins=[plugin])
    assert "train.weight_decay also decays parameters outside torch.nn layers: cell.rates; set" in caplog.text


def test_an_unknown_optimizer_or_schedule() -> None:
    with pytest.raises(UnknownNameError, match="no optimizer is called 'adam'. Did you mean 'adamw'"):
        make_optimizer("adam", [], learning_rate=0.1)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no schedule is called 'cos'"):
        make_schedule("cos")  # type: ignore[arg-type]


def test_schedules() -> None:
    constant, linear, cosine = (make_schedule(name) for name in ("constant", "linear", "cosine"))  # type: ignore[arg-type]
    points = (0, 0.5, 1)
    assert [constant(9, p) for p in points] == [1, 1, 1]
    assert [linear(9, p) for p in points] == pytest.approx([1, 0.5, 0])
    assert [cosine(9, p) for p in points] == pytest.approx([1, 0.5, 0])
    assert cosine(9, 1 / 3) == pytest.approx(0.75)


def test_warm_up_and_final_fraction() -> None:
    schedule = make_schedule("linear", warmup_steps=4, final_fraction=0.1)
    assert [schedule(step, 0) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    assert schedule(99, 1) == pytest.approx(0.1)
    assert schedule(99, 0.5) == pytest.approx(0.55)


def test_progress_is_of_the_limit_that_is_nearest() -> None:
    now = [0.0]
    state = TrainingState(meter=Meter(clock=lambda: now[0]))
    budget = Budget(steps=10, minutes=1, epochs=2, steps_per_epoch=100, state=state)
    assert budget.progress == 0
    state.step = 3
    assert budget.progress == pytest.approx(0.3)
    now[0] = 45
    assert budget.progress == pytest.approx(0.75)
    assert budget.ended_by == ""
    now[0] = 60
    assert budget.ended_by == "1 minute"


def test_minutes_are_those_that_were_spent() -> None:
    """All of them, not those since the last start: a training that continues keeps its spent time."""
    now = [1000.0]
    meter = Meter(clock=lambda: now[0])
    meter.spent_s = 45.0
    budget = Budget(minutes=1, state=TrainingState(meter=meter))
    assert budget.progress == pytest.approx(0.75)
    now[0] += 15
    assert budget.ended_by == "1 minute"


def test_epochs_of_data_without_a_length() -> None:
    state = TrainingState(step=50, epoch=1)
    budget = Budget(epochs=2, state=state)
    assert budget.progress == 0.5
    state.epoch = 2
    assert budget.ended_by == "2 epochs"


def test_a_budget_must_be_given_and_positive() -> None:
    with pytest.raises(BudgetError):
        Budget()
    with pytest.raises(BudgetError, match="minutes=-1"):
        Budget(minutes=-1)
