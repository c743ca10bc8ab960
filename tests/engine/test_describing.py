"""A stage as text: read back it is the same, and equal steps have equal texts."""

from __future__ import annotations

import pytest
import torch
from torch import fx

from seqkit import Cell
from seqkit.bench.steps import GRU, LSTM, MLSTM, LayerNormLSTM
from seqkit.engine.compile.describing import IndescribableError, describe, stage_of
from seqkit.engine.plan.fused import FusedEngine
from seqkit.engine.run.body import Body
from seqkit.engine.run.lowering import lower
from seqkit.engine.trace.call import call_of
from seqkit.engine.trace.graphs import Stage, aten, returned
from tests.engine.random_cells import random_cell


def texts_of(cell: Cell, batch: int = 3) -> list[str]:
    """Those of the loops of a training step, which are run from their texts."""
    found: list[str] = []

    def lower_text(stage: Stage, constants: int) -> Body:
        found.append(describe(stage, constants))
        again, count = stage_of(found[-1])
        assert describe(again, count) == found[-1]
        assert count == constants
        return lower(again, constants)

    x = torch.randn(batch, 4, cell.input_size, dtype=torch.float64)
    call = call_of(cell.double(), x, None, None, None)
    outputs, _ = FusedEngine(lower_text)(call)
    loss = outputs.sum()
    if loss.requires_grad:
        loss.backward()
        expected, _ = FusedEngine()(call)
        torch.testing.assert_close(outputs, expected, rtol=0, atol=0)
    return found


@pytest.mark.parametrize("kind", [GRU, LSTM, LayerNormLSTM, MLSTM])
def test_a_step_runs_from_its_text(kind: type[Cell]) -> None:
    torch.manual_seed(0)
    texts = texts_of(kind(5, 8))
    assert len(texts) == 2
    torch.manual_seed(1)
    assert texts_of(kind(5, 8)) == texts  # other weights
    assert texts_of(kind(5, 8), batch=4) != texts
    assert texts_of(kind(5, 12)) != texts


@pytest.mark.parametrize("seed", range(12))
def test_random_steps(seed: int) -> None:
    assert texts_of(random_cell(seed)) == texts_of(random_cell(seed))


def stage_with(target: object, *arguments: object) -> Stage:
    graph = fx.Graph()
    x = graph.placeholder("x")
    x.meta["val"] = torch.zeros(2)
    node = graph.call_function(target, (x, *arguments))  # type: ignore[arg-type]
    graph.output((node,))
    return Stage([x], returned(graph), fx.GraphModule(torch.nn.Module(), graph))


@pytest.mark.parametrize("target", [torch.add, lambda x, y: x + y])
def test_only_operations_of_pytorch_have_a_text(target: object) -> None:
    with pytest.raises(IndescribableError, match="a call of"):
        describe(stage_with(target, 1), 0)


@pytest.mark.parametrize("number", [1, 1.0, -0.0, float("inf"), float("nan"), True])
def test_numbers_keep_their_kind(number: float) -> None:
    text = describe(stage_with(aten.mul.Tensor, number), 0)
    _, node, _ = stage_of(text)[0].run.graph.nodes
    assert (type(node.args[1]), repr(node.args[1])) == (type(number), repr(number))
    assert describe(stage_with(aten.mul.Tensor, 2), 0) != text
