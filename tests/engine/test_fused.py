"""A split under changing modes, dtypes, shapes and attributes."""

import copy
import gc
import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from seqkit import Cell, SequenceModel, unroll
from seqkit.bench.steps import LayerNormLSTM
from seqkit.cells import RNN, Stacked
from seqkit.engine import ENGINES, unroll_named
from seqkit.engine.plan import fused
from seqkit.engine.split.split import Split, split_step
from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import random_cell


class Annealed(Cell):
    """A step that reads plain attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = 2, 3, 3
        self.i2h, self.h2h = nn.Linear(2, 3), nn.Linear(3, 3)
        self.slope = 1.0
        self.kind = "tanh"
        self.scales = (1.0, 2.0)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        total = self.slope * self.i2h(x) + self.scales[1] * self.h2h(h)
        h = torch.tanh(total) if self.kind == "tanh" else torch.sigmoid(total)
        if self.training:
            h = h * 0.5
        return h, h


@pytest.fixture
def cell() -> Annealed:
    return Annealed().double()


def numbers(batch: int = 3, time: int = 5, size: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(batch * time)
    return torch.randn(batch, time, size, dtype=torch.float64, generator=generator)


def require_loop(cell: Cell, x: Tensor, engine: str = "fused", tolerance: float = 1e-9, **given: Any) -> None:
    require_equal(
        everything(cell, x, **given, engine=engine), everything(cell, x, **given, engine="loop"), tolerance
    )


def test_a_changed_attribute_traces_again(cell: Annealed) -> None:
    for slope in (1.0, 0.5, 1.0, 0.1):
        cell.slope = slope
        require_loop(cell, numbers())
    cell.kind = "sigmoid"
    require_loop(cell, numbers())
    cell.scales = (1.0, -1.0)
    require_loop(cell, numbers())
    cell.eval()
    require_loop(cell, numbers())


def test_batch_and_time_may_change_between_calls(cell: Annealed) -> None:
    for batch, time in ((3, 5), (3, 2), (1, 5), (3, 1), (4, 9), (3, 5)):
        require_loop(cell, numbers(batch, time))


def test_weights_may_change_between_calls(cell: Annealed) -> None:
    for _ in range(3):
        require_loop(cell, numbers())
        with torch.no_grad():
            cell.h2h.weight.mul_(0.5)
    cell.h2h = nn.Linear(3, 3).double()
    require_loop(cell, numbers())
    cell.i2h.requires_grad_(False)
    require_loop(cell, numbers())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(cell: Annealed, mode: Any) -> None:
    with mode():
        ours = unroll(cell, numbers(), engine="fused")
        theirs = unroll(cell, numbers(), engine="loop")
    require_equal(ours, theirs)
    require_loop(cell, numbers())  # memory that was first used there can be used in training


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_other_precisions(dtype: torch.dtype, tolerance: float) -> None:
    cell = Annealed().to(dtype)
    require_loop(cell, numbers().to(dtype), tolerance=tolerance)


@pytest.mark.parametrize("given_state", [False, True])
def test_autocast(given_state: bool) -> None:
    cell = RNN(2, 8)
    state = torch.zeros(3, 8, dtype=torch.bfloat16) if given_state else None
    with torch.autocast("cpu", torch.bfloat16):
        ours = unroll(cell, numbers().float(), state, engine="fused")
        theirs = unroll(cell, numbers().float(), state, engine="loop")
    assert ours[0].dtype == theirs[0].dtype == torch.bfloat16
    require_equal(ours, theirs, 0.02)
    ours[0].float().sum().backward()
    assert cell.h2h.weight.grad is not None
    assert cell.h2h.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("engine", ["fused", pytest.param("compiled", marks=pytest.mark.ci)])
def test_ids_under_autocast(engine: str) -> None:
    torch.manual_seed(0)
    cell = RNN(5, 8)
    ids = torch.randint(5, (3, 6))
    with torch.autocast("cpu", torch.bfloat16):
        require_equal(unroll(cell, ids, engine=engine), unroll(cell, ids, engine="loop"), 0.02)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_ids_of_any_integer_type(cell: Annealed, dtype: torch.dtype) -> None:
    require_loop(cell, torch.randint(2, (3, 6)).to(dtype))


@pytest.mark.parametrize("input_size", [5, 100])  # few ids for a batch, and many
def test_what_is_computed_of_ids_alone_is_computed_once_for_each(
    input_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits: list[Split] = []
    monkeypatch.setattr(
        fused,
        "split_step",
        lambda *given, **options: splits.append(split_step(*given, **options)) or splits[-1],
    )
    require_loop(LayerNormLSTM(input_size, 4).double(), torch.randint(input_size, (3, 7)))
    each_step = {node.target for split in splits for node in split.before.run.graph.nodes}
    assert (torch.ops.aten.native_layer_norm.default in each_step) == (input_size == 100)


@pytest.mark.parametrize("engine", ["fused", pytest.param("compiled", marks=pytest.mark.ci)])
def test_large_products_are_right(engine: str) -> None:
    torch.manual_seed(0)
    cell = RNN(65, 256)
    ids = torch.randint(65, (64, 6))
    require_loop(cell, ids, engine=engine, tolerance=1e-4)


@pytest.mark.ci
def test_the_backward_loop_goes_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqkit.engine.run.backward.CHUNK_BYTES", 400)
    for seed in range(8):
        cell = random_cell(seed)
        given = inputs_of(cell, seed, time=11)
        require_equal(everything(cell, **given, engine="fused"), everything(cell, **given, engine="loop"))


@pytest.mark.ci
def test_memory_is_free_as_soon_as_the_outputs_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqkit.engine.run.memory._MIN_BYTES", 0)
    engine = fused.FusedEngine()
    monkeypatch.setitem(ENGINES, "fused", lambda: engine)
    for seed in range(8):
        cell = random_cell(seed)
        given = inputs_of(cell, seed)
        everything(cell, **given, engine="fused")  # the first call of a kind keeps what it traced
        gc.collect()
        gc.disable()
        try:
            everything(cell, **given, engine="fused")
            assert all(block.is_free() for block in engine._pool._blocks), seed
        finally:
            gc.enable()


def test_weights_of_one_gradient_get_it_in_memory_of_their_own() -> None:
    class Twins(RNN):
        def __init__(self) -> None:
            super().__init__(2, 4)
            self.u, self.w = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(4, 4))

        def step(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
            hidden = torch.tanh(self.i2h(x) + torch.sin(hidden) @ self.u + torch.sin(hidden) @ self.w)
            return hidden, hidden

    cell = Twins().double()
    outputs, _ = unroll(cell, numbers(), engine="fused")
    u, w = torch.autograd.grad(outputs.sum(), [cell.u, cell.w])
    assert torch.equal(u, w)
    assert u.untyped_storage().data_ptr() != w.untyped_storage().data_ptr()


def test_a_graph_can_be_walked_twice(cell: Annealed) -> None:
    outputs, _ = unroll(cell, numbers(), engine="fused")
    first = torch.autograd.grad(outputs.sum(), [*cell.parameters()], retain_graph=True)
    second = torch.autograd.grad(outputs.sum(), [*cell.parameters()])
    require_equal(first, second, 0.0)


def test_outputs_keep_their_numbers_when_more_is_unrolled() -> None:
    cell = RNN(65, 256)
    ids = torch.randint(65, (32, 64))
    outputs, _ = unroll(cell, ids, engine="fused")
    before = outputs.clone()
    for _ in range(3):
        unroll(cell, ids.flip(0), engine="fused")[0].sum().backward()
    torch.testing.assert_close(outputs, before, rtol=0, atol=0)


def test_parametrised_weights() -> None:
    cell = RNN(2, 4).double()
    parametrizations.weight_norm(cell.h2h)
    parametrize.register_parametrization(cell.i2h, "weight", nn.Tanh())
    require_loop(cell, numbers())
    require_loop(cell, numbers())


def test_stacked_layers_of_a_model_are_split_one_by_one() -> None:
    model = SequenceModel(Stacked([RNN(5, 4), RNN(4, 3)]), vocab_size=5)
    model(torch.randint(5, (2, 6)))
    assert model.engine_ran == "fused"


def test_a_stacked_cell_is_a_step_like_any_other() -> None:
    require_loop(Stacked([RNN(2, 4), RNN(4, 3)]).double(), numbers())


def test_auto_says_what_ran(cell: Annealed, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert unroll_named(cell, numbers())[2] == "fused"
    assert not caplog.records


def test_a_copied_cell_has_a_split_of_its_own(cell: Annealed) -> None:
    unroll(cell, numbers(), engine="fused")
    other = copy.deepcopy(cell)
    other.slope = 0.3
    require_loop(other, numbers())


@pytest.mark.parametrize("engine", ["loop", "fused", pytest.param("auto", marks=pytest.mark.ci)])
@pytest.mark.parametrize("every", [100, *(pytest.param(every, marks=pytest.mark.ci) for every in (1, 2, 4))])
def test_checkpoints_change_no_number(engine: str, every: int) -> None:
    for seed in (0, 1, 2, 7):
        cell = random_cell(seed)
        given = inputs_of(cell, seed, time=9)
        ours = everything(cell, **given, engine=engine, recompute_every=every)
        require_equal(ours, everything(cell, **given, engine="loop"))


class Dropping(Cell):
    input_size = hidden_size = output_size = 4

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(x + torch.nn.functional.dropout(state, 0.4))
        return state, state


@pytest.mark.parametrize("engine", ["loop", "auto"])
def test_checkpoints_draw_the_same_numbers_again(engine: str) -> None:
    x = torch.randn(3, 9, 4, dtype=torch.float64, requires_grad=True)
    found = []
    for every in (None, 2, 4, 100):
        torch.manual_seed(0)
        outputs, _ = unroll(Dropping(), x, engine=engine, recompute_every=every)
        (gradient,) = torch.autograd.grad(outputs.square().sum(), x)
        found.append((outputs, gradient))
    for each in found[1:]:
        torch.testing.assert_close(each, found[0])


def test_the_outputs_are_a_view_of_time_major_memory(cell: Annealed) -> None:
    for engine in ("loop", *[name for name in ENGINES if name == "fused"]):
        outputs, _ = unroll(cell, numbers(), engine=engine)
        assert outputs.transpose(0, 1).is_contiguous()
