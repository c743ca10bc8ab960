"""A training that is continued is the one that was never interrupted, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell, SequenceModel, Trainer
from seqkit.bench.steps import LSTM
from seqkit.cells import RNN, Stacked
from seqkit.data import Lanes, TokenStream, Windows
from seqkit.errors import ContractError
from seqkit.training.snapshot import Snapshot, step_seed

V = 5
IDS = ((np.arange(700) ** 2 // 3 + np.arange(700) // 5) % V).astype(np.uint8)
VALIDATION = [(torch.arange(40).view(4, 10) % V, torch.arange(1, 41).view(4, 10) % V)]


class WithADict(Cell):
    input_size, output_size = V, 6

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Linear(V + 6, 6)

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        return {"seen": self.zeros(batch_size, 6), "counted": self.zeros(batch_size, 1)}

    def step(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        seen = torch.tanh(self.both(torch.cat([x, state["seen"]], 1))) + state["counted"] / 100
        return seen, {"seen": seen, "counted": state["counted"] + 1}


class WithoutState(Cell):
    input_size, output_size = V, 4

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(V, 4)

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def step(self, x: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return torch.tanh(self.out(x)), ()


CELLS = {
    "rnn": lambda: RNN(V, 8),
    "lstm-lstm": lambda: Stacked([LSTM(V, 8), LSTM(8, 6)]),
    "dict": WithADict,
    "stateless": WithoutState,
}


class Rows:
    """A callback whose half-filled row is a part of the snapshot."""

    def __init__(self) -> None:
        self.rows: list[float] = []
        self._sum = 0.0

    def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, Any]) -> None:
        self._sum += metrics["loss"]
        if step % 7 == 0:
            self.rows.append(self._sum)
            self._sum = 0.0

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows, "sum": self._sum}

    def restore(self, state: dict[str, Any]) -> None:
        self.rows, self._sum = list(state["rows"]), state["sum"]


class TakeAt:
    def __init__(self, steps: set[int]) -> None:
        self.steps = steps
        self.taken: dict[int, Snapshot] = {}

    def step_ended(self, trainer: Trainer, step: int) -> None:
        if step in self.steps:
            self.taken[step] = trainer.snapshot()


def made(name: str, state: Any, optimizer: str, callbacks: list[object]) -> tuple[Trainer, Any]:
    torch.manual_seed(0)
    model = SequenceModel(CELLS[name](), vocab_size=V, dropout=0.2)
    kind: Any = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}[
        optimizer
    ]
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    data = (
        Lanes(TokenStream(IDS, start_id=0), lanes=6, seq_len=10)
        if state == "carry"
        else Windows(TokenStream(IDS, start_id=0), batch_size=6, seq_len=10, shuffle_seed=3)
    )
    trainer = Trainer(
        model, kind(model.parameters(), lr=0.02, **options), state=state, seed=1, callbacks=callbacks
    )
    return trainer, data


def result(trainer: Trainer, rows: Rows) -> dict[str, Any]:
    snapshot = trainer.snapshot()
    values = {
        key: value for key, value in snapshot.values.items() if key not in ("meter", "epoch_began", "epochs")
    }
    return {
        "weights": {name: value.tolist() for name, value in snapshot.weights.items()},
        "tensors": {name: value.tolist() for name, value in snapshot.tensors.items()},
        "best": {name: value.tolist() for name, value in (snapshot.best_weights or {}).items()},
        "values": values,
        "rows": rows.rows,
    }


ALL = [
    (name, state, optimizer)
    for name in CELLS
    for state in ("carry", "reset")
    for optimizer in ("adamw", "sgd", "rmsprop")
]


@pytest.mark.ci
@pytest.mark.parametrize(("name", "state", "optimizer"), ALL)
def test_three_interruptions_change_no_bit(name: str, state: Any, optimizer: str) -> None:
    budget: dict[str, Any] = {"steps": 31, "validation": VALIDATION, "evaluate_every": 10}
    rows, take = Rows(), TakeAt({8, 12, 20})
    trainer, data = made(name, state, optimizer, [rows, take])
    per_epoch = len(data)
    take.steps |= {per_epoch}
    trainer.fit(data, **budget)
    expected = result(trainer, rows)
    start = None
    for step in sorted(take.steps):
        torch.rand(3)  # what other programs draw in between does not matter
        rows, again = Rows(), TakeAt({step})
        trainer, data = made(name, state, optimizer, [rows, again])
        if start is not None:
            torch.manual_seed(99)
        trainer.fit(data, **budget, start=start)
        assert result(trainer, rows) == expected
        start = again.taken[step]
    rows = Rows()
    trainer, data = made(name, state, optimizer, [rows])
    trainer.fit(data, **budget, start=start)
    assert result(trainer, rows) == expected


@pytest.mark.parametrize(
    ("every", "step"), [(10, 20), *(pytest.param(None, step, marks=pytest.mark.ci) for step in (24, 31))]
)
def test_an_evaluation_that_was_due_is_made_first(every: int | None, step: int) -> None:
    class Data:
        """The validation data; an interrupt comes while it is read."""

        def __init__(self, stop_at: int) -> None:
            self.stop_at = stop_at

        def __iter__(self) -> Iterator[Any]:
            if trainer.status.step == self.stop_at:
                raise KeyboardInterrupt
            return iter(VALIDATION)

    rows = Rows()
    trainer, data = made("rnn", "carry", "adamw", [rows])
    assert len(data) == 12
    budget: dict[str, Any] = {"steps": 31, "evaluate_every": every}
    trainer.fit(data, **budget, validation=Data(0))
    expected = result(trainer, rows)
    rows = Rows()
    trainer, data = made("rnn", "carry", "adamw", [rows])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, **budget, validation=Data(step))
    start = trainer.snapshot()
    assert (start.values["step"], start.values["evaluated"] < step) == (step, True)
    rows = Rows()
    trainer, data = made("rnn", "carry", "adamw", [rows])
    trainer.fit(data, **budget, validation=Data(0), start=start)
    assert result(trainer, rows) == expected


@pytest.mark.ci
def test_data_without_a_length_is_read_up_to_there() -> None:
    class Stream:
        def __init__(self, data: Any) -> None:
            self._data = data

        def __iter__(self) -> Iterator[Any]:
            return iter(self._data)

    rows, take = Rows(), TakeAt({8, 12, 17})
    trainer, data = made("rnn", "carry", "adamw", [rows, take])
    trainer.fit(Stream(data), epochs=2)
    expected = result(trainer, rows)
    for start in take.taken.values():
        rows = Rows()
        trainer, data = made("rnn", "carry", "adamw", [rows])
        trainer.fit(Stream(data), epochs=2, start=start)
        assert result(trainer, rows) == expected


@pytest.mark.ci
def test_a_larger_budget_goes_on_within_the_epoch() -> None:
    trainer, data = made("rnn", "carry", "adamw", [])
    trainer.fit(data, steps=40)
    expected = trainer.snapshot()
    trainer, data = made("rnn", "carry", "adamw", [])
    trainer.fit(data, steps=17)
    start = trainer.snapshot()
    trainer, data = made("rnn", "carry", "adamw", [])
    history = trainer.fit(data, steps=40, start=start)
    assert all(
        torch.equal(value, trainer.model.state_dict()[name]) for name, value in expected.weights.items()
    )
    assert len(history.losses) == 40


def test_a_training_that_is_over_takes_no_step() -> None:
    trainer, data = made("rnn", "carry", "adamw", [])
    trainer.fit(data, steps=5)
    start = trainer.snapshot()
    trainer, data = made("rnn", "carry", "adamw", [])
    history = trainer.fit(data, steps=5, start=start)
    assert (len(history.losses), history.ended_by) == (5, "5 steps")


def test_minutes_are_those_that_were_spent() -> None:
    trainer, data = made("rnn", "carry", "adamw", [])
    trainer.fit(data, steps=3)
    start = trainer.snapshot()
    start.values["meter"]["spent_s"] = 61.0
    trainer, data = made("rnn", "carry", "adamw", [])
    history = trainer.fit(data, minutes=1, start=start)
    assert (len(history.losses), history.ended_by) == (3, "1 minute")


def test_another_model_is_refused() -> None:
    trainer, data = made("rnn", "carry", "adamw", [])
    trainer.fit(data, steps=3)
    start = trainer.snapshot()
    trainer, data = made("dict", "carry", "adamw", [])
    with pytest.raises((ContractError, RuntimeError)):
        trainer.fit(data, steps=5, start=start)


def test_the_seed_of_a_step() -> None:
    from hashlib import blake2b

    assert step_seed(3, 7) == int.from_bytes(blake2b(b"3:7:0").digest()[:8], "little")
    assert len({step_seed(seed, step) for seed in range(20) for step in range(50)}) == 1000
