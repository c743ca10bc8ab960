"""Ids that index the rows of a table: an embedding that the engine looks up itself."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqkit import Cell, SequenceModel, unroll
from seqkit.bench.steps import GRU, LSTM
from seqkit.cells import RNN, Stacked
from seqkit.engine.plan import fused
from seqkit.engine.split.split import split_step
from seqkit.errors import ContractError
from tests.engine.comparing import everything, require_equal


class Deep(Cell):
    """Reads its input three times, once through two products."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.first, self.second = nn.Linear(input_size, 6), nn.Linear(6, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.gate, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, self.hidden_size)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        read = self.norm(self.second(torch.tanh(self.first(x))))
        h = torch.tanh(read + self.h2h(h * torch.sigmoid(self.gate(x))))
        return h * x.mean(1, keepdim=True), h


@pytest.mark.parametrize("engine", ["loop", "fused"])
@pytest.mark.parametrize("kind", [RNN, GRU, LSTM, Deep])
@pytest.mark.parametrize("count", [7, 100])  # few ids for a batch of three, and many
def test_it_is_an_embedding(kind: type[Cell], count: int, engine: str) -> None:
    torch.manual_seed(0)
    cell = kind(5, 8).double()
    table = torch.randn(count, 5, dtype=torch.float64, requires_grad=True)
    ids, reset = torch.randint(count, (3, 7)), torch.rand(3, 7) < 0.2
    ours = everything(cell, ids, reset=reset, table=table, engine=engine)
    results, gradients = everything(cell, F.embedding(ids, table), reset=reset, engine="loop")
    require_equal(ours[0], results)
    require_equal(ours[1][1:], gradients[1:])  # gradients of the weights; the first is that of the input
    require_equal(ours[1][0], torch.zeros_like(table).index_add(0, ids.flatten(), gradients[0].flatten(0, 1)))


@pytest.mark.parametrize("engine", ["fused", pytest.param("compiled", marks=pytest.mark.ci)])
def test_a_frozen_table_half_precision_and_checkpoints(engine: str) -> None:
    torch.manual_seed(0)
    cell, table, ids = LSTM(5, 8), torch.randn(7, 5), torch.randint(7, (3, 6))
    expected = everything(cell, ids, table=table, engine="loop")
    require_equal(everything(cell, ids, table=table, engine=engine), expected, 1e-5)
    checkpointed = everything(cell, ids, table=table, engine=engine, recompute_every=2)
    require_equal(checkpointed, expected, 1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        half = [unroll(cell, ids, table=table, engine=each) for each in (engine, "loop")]
    require_equal(*half, 0.02)


def test_the_projection_is_computed_once_for_each_id(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = []
    monkeypatch.setattr(
        fused,
        "split_step",
        lambda *given, **options: splits.append(split_step(*given, **options)) or splits[-1],
    )
    for count in (30, 1000):  # for a batch of three: with far more ids it takes more time than it saves
        unroll(GRU(5, 8), torch.randint(count, (3, 7)), table=torch.randn(count, 5), engine="fused")
    few, many = ([node.target for node in split.before.run.graph.nodes] for split in splits)
    assert torch.ops.aten.mm.default not in few
    assert torch.ops.aten.mm.default in many


@pytest.mark.parametrize(
    ("x", "table", "message"),
    [
        (
            torch.zeros(2, 3, 5),
            torch.zeros(7, 5),
            r"a table is \(ids, 5\), for integer ids .*; got \(7, 5\) for",
        ),
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(7, 4), r"a table is \(ids, 5\), .*; got \(7, 4\)"),
        (torch.full((2, 3), 7), torch.zeros(7, 5), "ids must be from 0 to 6; got 7 to 7"),
    ],
)
def test_an_invalid_table(x: Tensor, table: Tensor, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        unroll(RNN(5, 8), x, table=table)


@pytest.mark.parametrize("cell", [RNN(5, 8), Stacked([GRU(5, 8), RNN(8, 4)])])
@pytest.mark.ci
def test_a_model_looks_up_in_the_engine(cell: Cell) -> None:
    """With a hook on the encoder, or dropout after it, the encoder itself is called."""
    model = SequenceModel(cell, encoder="embedding", vocab_size=9)
    ids, called = torch.randint(9, (2, 6)), []
    expected, _ = model(ids)
    handle = model.encoder.register_forward_hook(lambda *_: called.append(True))
    found, _ = model(ids)
    assert called
    torch.testing.assert_close(found, expected)
    handle.remove()
    model.encoder_dropout.p = 0.5
    dropped, _ = model(ids)
    assert not torch.equal(dropped, expected)
    torch.testing.assert_close(model.eval()(ids)[0], expected)
