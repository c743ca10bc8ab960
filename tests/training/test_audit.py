"""In training, faults that occur after a split was accepted are found: planted faults, one of each kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import seqkit
from seqkit import Cell, SequenceModel, Trainer
from seqkit.cells import RNN, Stacked
from seqkit.engine.plan import plans
from seqkit.engine.run import core
from seqkit.errors import AuditError
from seqkit.training.audit import is_audited


class Sloped(Cell):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.slope = 1.0

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.slope * (self.i2h(x) + self.h2h(h)))
        return h, h


def batches() -> list[tuple[Tensor, Tensor]]:
    ids = torch.randint(5, (12, 4, 8), generator=torch.Generator().manual_seed(0))
    return [(each[:, :-1], each[:, 1:]) for each in ids]


def trainer_of(cell: Cell, **options: Any) -> Trainer:
    model = SequenceModel(cell, vocab_size=5)
    return Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), **options)


class At:
    """A callback that does something after a step."""

    def __init__(self, step: int, act: Any) -> None:
        self._step, self._act = step, act

    def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, Any]) -> None:
        if step == self._step:
            self._act(trainer)


@pytest.fixture
def scaled_rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[At]:
    """From step 5 on, one gradient of the core is 1 % too large."""

    def run_backward(*arguments: Any) -> Any:
        d_given, d_state = original(*arguments)
        return [None if each is None else each * 1.01 for each in d_given], d_state

    original = core.run_backward
    return At(5, lambda trainer: monkeypatch.setattr(core, "run_backward", run_backward))


@pytest.mark.parametrize("cell", [RNN(5, 6), Stacked([RNN(5, 6), RNN(6, 4)])], ids=["one", "stacked"])
@pytest.mark.parametrize("state", ["carry", "reset"])
def test_a_derivative_rule_scaled_by_a_hundredth_is_found(cell: Cell, state: Any, scaled_rule: At) -> None:
    trainer = trainer_of(cell, state=state, callbacks=[scaled_rule])
    with pytest.raises(AuditError) as caught:
        trainer.fit(batches(), steps=20)
    said = str(caught.value)
    assert said.startswith("the gradient of ")
    assert "differs from the loop's by 0.0" in said
    assert "engine 'fused', found before the update of step 10)" in said
    assert "rnn.py, line" in said
    assert "The weights of step 9 are kept. Train this cell with the plain loop: model.engine=loop" in said
    assert trainer.budget.step == 9


def test_a_stale_plan_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def anneal(trainer: Trainer) -> None:
        monkeypatch.setattr(plans, "attributes_of", lambda cell: {})  # the engine no longer compares them
        trainer.model.cell.slope = 0.9

    monkeypatch.setattr(plans, "attributes_of", lambda cell: {})
    trainer = trainer_of(Sloped(5, 6), callbacks=[At(4, anneal)])
    with pytest.raises(AuditError, match=r"its output differs from the loop's by 0.0"):
        trainer.fit(batches(), steps=20)
    trainer = trainer_of(Sloped(5, 6), audit=False, callbacks=[At(4, anneal)])
    trainer.fit(batches(), steps=20)


def test_a_right_engine_is_left_alone_and_training_is_the_same() -> None:
    losses = []
    for audit in (True, False):
        torch.manual_seed(0)
        cell = RNN(5, 6)
        nn.utils.parametrizations.spectral_norm(cell.h2h)  # its buffers move where the weight is computed
        model = SequenceModel(cell, vocab_size=5, dropout=0.3)
        trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), audit=audit)
        losses.append(trainer.fit(batches(), steps=12).losses)
    assert losses[0] == losses[1]


def test_which_steps_are_audited() -> None:
    assert [step for step in range(40_001) if is_audited(step)] == [
        10,
        100,
        1_000,
        10_000,
        20_000,
        30_000,
        40_000,
    ]


def test_the_run_keeps_the_weights_of_before(
    tiny_recipe: seqkit.Recipe, workdir: Path, scaled_rule: At
) -> None:
    with pytest.raises(AuditError):
        seqkit.train(tiny_recipe, out="run", callbacks=[scaled_rule])
    run = seqkit.load("run")
    assert (Path("run") / "checkpoints" / "step-00000009").is_dir()
    assert len(run.generate("the", max_tokens=5)) == 5
    assert '"ended_by": "an error (AuditError)"' in (Path("run") / "ended.json").read_text()
