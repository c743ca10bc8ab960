"""What a loop emits of a large state."""

import pytest
import torch
from torch import fx

from seqkit.bench.steps import LSTM, MLSTM
from seqkit.cells import RNN
from seqkit.engine.plan.fused import SplitPlan
from seqkit.engine.run.lowering import lower
from seqkit.engine.run.memory import Pool
from seqkit.engine.split import emitting
from seqkit.engine.split.derivative import differentiate
from seqkit.engine.trace.call import call_of
from seqkit.engine.trace.graphs import value_of
from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import random_cell


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emitting, "MIN_SAVED_BYTES", 0)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.ci) for seed in range(8, 24))]
)
def test_random_steps(seed: int) -> None:
    cell = random_cell(seed)
    given = inputs_of(cell, seed)
    require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.ci
def test_a_matrix_memory_is_right(resets: bool) -> None:
    cell = MLSTM(5, 16).double()
    ids = torch.randint(5, (3, 7))
    reset = torch.rand(3, 7) < 0.3 if resets else None
    require_equal(
        everything(cell, ids, reset=reset, engine="fused"), everything(cell, ids, reset=reset, engine="loop")
    )


def bytes_emitted(cell: MLSTM | LSTM | RNN, batch: int) -> tuple[int, int]:
    """Bytes that a step of the forward loop emits, and those of the backward loop."""
    ids = torch.randint(5, (batch, 3))
    plan = SplitPlan(call_of(cell, ids), lower, Pool())
    assert plan._split is not None
    forwards = plan._split.core
    _, backwards = differentiate(forwards, [True] * len([*forwards.inputs, *forwards.constants]))
    return bytes_of(forwards.emitted), bytes_of(backwards.kept)


def bytes_of(nodes: list[fx.Node]) -> int:
    return sum(value_of(node).numel() * value_of(node).element_size() for node in nodes)


@pytest.mark.ci
def test_little_of_a_matrix_memory_is_emitted() -> None:
    cell, batch = MLSTM(5, 128), 32
    memory = batch * 4 * 32 * 32 * 4
    forwards, backwards = bytes_emitted(cell, batch)
    assert forwards < memory / 10
    assert backwards < memory / 5
    forwards, backwards = bytes_emitted(cell, 1)
    assert min(forwards, backwards) >= memory / batch  # so little that the loop is not lengthened for it


def test_a_readout_stays_behind_the_loop() -> None:
    for cell in (LSTM(5, 256), RNN(5, 256, output_size=2)):
        assert bytes_emitted(cell, 256)[0] == 256 * 256 * 4
