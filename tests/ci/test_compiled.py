"""The engine that needs a compiler."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell, unroll
from seqkit.bench.steps import GRU, LSTM, MLSTM, LayerNormLSTM
from seqkit.cells import RNN
from seqkit.engine.compile import compiled
from seqkit.engine.compile.native import NativeBody
from seqkit.engine.run.body import Body
from seqkit.errors import CompilerError, ContractError
from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import random_cell


@pytest.mark.parametrize("kind", [GRU, LSTM, LayerNormLSTM])
def test_gated_cells(kind: type[Cell]) -> None:
    cell = kind(5, 8).double()
    ids = torch.randint(5, (3, 7))
    require_equal(everything(cell, ids, engine="compiled"), everything(cell, ids, engine="loop"))


def test_a_large_matrix_memory() -> None:
    """The matrix is so large that both loops pass on what is read from it."""
    cell = MLSTM(5, 128).double()
    ids = torch.randint(5, (32, 6))
    reset = torch.rand(32, 6) < 0.3
    require_equal(
        everything(cell, ids, reset=reset, engine="compiled"),
        everything(cell, ids, reset=reset, engine="loop"),
    )


@pytest.mark.parametrize("seed", range(5))
def test_compiled_is_the_loop(seed: int) -> None:
    cell = random_cell(seed)
    given = inputs_of(cell, seed)
    require_equal(everything(cell, **given, engine="compiled"), everything(cell, **given, engine="loop"))


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Body]]:
    """The bodies of the loops that are compiled."""
    made: list[Body] = []

    def compile_body(*arguments: object) -> Body:
        made.append(original(*arguments))  # type: ignore[arg-type]
        return made[-1]

    original = compiled.compile_body
    monkeypatch.setattr(compiled, "compile_body", compile_body)
    from seqkit import engine

    engine._compiled.cache_clear()  # type: ignore[attr-defined]
    yield made
    engine._compiled.cache_clear()  # type: ignore[attr-defined]


class Everything(Cell):
    """Products of constants, of a matrix that depends on the state, of several pairs; a copy; a counter."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h, self.h2h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.groups = nn.Parameter(torch.randn(2, hidden_size, hidden_size) / hidden_size)

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
        count = self.zeros(batch_size).long()
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size), count

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        hidden, before, count = state
        pair = torch.bmm(torch.stack([hidden, before]), self.groups).sum(0)
        new = torch.tanh(self.i2h(x) + self.h2h(hidden) @ (self.groups[0] + self.groups[1].t()) + pair)
        return new * (count[:, None] + 1), (new, hidden, count + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("batch", "hidden_size"), [(1, 5), (3, 32), (13, 65), (64, 48)])
def test_a_loop_is_one_function(dtype: torch.dtype, batch: int, hidden_size: int, bodies: list[Body]) -> None:
    torch.manual_seed(0)
    cell = Everything(4, hidden_size).to(dtype)
    x = torch.randn(batch, 6, 4, dtype=dtype, requires_grad=True)
    reset = torch.rand(batch, 6) < 0.2
    for masks in (None, reset):
        found = everything(cell, x, reset=masks, engine="compiled")
        exact = everything(cell.double(), x.double(), reset=masks, engine="loop")
        cell.to(dtype)
        for one, other in zip([*found[0], *found[1]], [*exact[0], *exact[1]], strict=True):
            tolerance = 1e-4 if dtype == torch.float32 else 1e-9
            scale = float(other.detach().double().abs().max()) + 1
            torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=tolerance * scale)
    assert bodies
    assert all(isinstance(body, NativeBody) for body in bodies)


def test_a_long_copy(bodies: list[Body]) -> None:
    """The gradients of a GRU's gates are read from two places, and copied from one to the other."""
    cell, ids = GRU(5, 80), torch.randint(5, (64, 7))
    found, expected = (everything(cell, ids, engine=engine) for engine in ("compiled", "loop"))
    require_equal(found, expected, tolerance=1e-4)
    assert all(isinstance(body, NativeBody) for body in bodies)


@pytest.mark.parametrize(("rows", "m", "n"), [(1, 1, 1), (7, 13, 33), (385, 24, 64), (900, 100, 31)])
def test_a_tall_product(rows: int, m: int, n: int, bodies: list[Body]) -> None:
    everything(GRU(5, 8), torch.randint(5, (3, 7)), engine="compiled")
    left, right = torch.randn(rows, m + 3)[:, 2:-1], torch.randn(rows, n)
    for other in (right, right.repeat(1, 2)[:, n:], right.t().contiguous().t()):
        product = bodies[-1].tall_product(left, other)
        torch.testing.assert_close(product, left.t() @ right, rtol=1e-5, atol=1e-4)
        for total in (product, product.clone(memory_format=torch.contiguous_format)):
            twice = bodies[-1].tall_product(left, other, total)
            torch.testing.assert_close(twice, 2 * left.t() @ right, rtol=1e-5, atol=2e-4)
    torch.testing.assert_close(
        bodies[-1].tall_product(left.double(), right.double()), left.t().double() @ right.double()
    )


def test_a_loop_that_cannot_be_one_function_runs_kernel_after_kernel(bodies: list[Body]) -> None:
    cell, x = GRU(5, 8), torch.randn(3, 7, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = unroll(cell, x, engine="compiled")
        expected, _ = unroll(cell, x, engine="loop")
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-2)
    assert bodies
    assert not any(isinstance(body, NativeBody) for body in bodies)


class Divided(Cell):
    """Divides whole numbers by its counter, which comes to zero."""

    input_size = output_size = hidden_size = 4

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size).long() + 3

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return x * (12 // state)[:, None], state - 1


def test_an_error_in_the_loop_is_raised(bodies: list[Body]) -> None:
    cell = Divided()
    assert unroll(cell, torch.ones(2, 3, 4), engine="compiled")[0][0, :, 0].tolist() == [4, 6, 12]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        unroll(cell, torch.ones(2, 4, 4), engine="compiled")


class Written(Cell):
    """A step given as a function of the input, the state and three matrices."""

    input_size = output_size = hidden_size = 8

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.wide, self.other = nn.Parameter(torch.randn(16, 8) / 4), nn.Parameter(torch.randn(16, 8) / 4)
        self.square = nn.Parameter(torch.randn(8, 8) / 3)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        if self.name == "joined with an input":
            joined = torch.cat([x, h], 1)
            return joined @ self.other, torch.tanh(joined @ self.wide)
        if self.name == "joined with a view":
            a, b = (h @ self.wide.t()).chunk(2, 1)
            joined = torch.cat([a, torch.tanh(b)], 1)
            return joined[:, :8], torch.tanh(joined @ self.other + x)
        if self.name == "joined twice":
            pair, other = (
                torch.cat([torch.tanh(x + h), torch.sigmoid(h)], 1),
                torch.cat([torch.sin(h), torch.cos(h)], 1),
            )
            return pair @ self.other, torch.tanh(pair @ self.wide + other @ self.other)
        turned = torch.tanh(x + h @ self.square).view(-1, 2, 4).transpose(1, 2).reshape(-1, 8)
        return turned, turned


NAMES = ["joined with an input", "joined with a view", "joined twice", "turned"]


@pytest.mark.parametrize("engine", ["fused", "compiled"])
@pytest.mark.parametrize("name", NAMES)
def test_joined_and_turned_memory(name: str, engine: str) -> None:
    torch.manual_seed(0)
    cell, x = Written(name).double(), torch.randn(3, 6, 8, dtype=torch.float64, requires_grad=True)
    require_equal(everything(cell, x, engine=engine), everything(cell, x, engine="loop"))


def test_saved_tensors_may_be_copied() -> None:
    cell, x = LSTM(5, 8).double(), torch.randn(3, 7, 5, dtype=torch.float64, requires_grad=True)
    expected = everything(cell, x, engine="loop")
    everything(cell, x, engine="compiled")
    with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda saved: saved.contiguous()):
        require_equal(everything(cell, x, engine="compiled"), expected)


@pytest.mark.parametrize("engine", ["loop", "fused", "compiled"])
def test_an_id_out_of_range_is_refused(engine: str) -> None:
    cell = LSTM(5, 8)
    unroll(cell, torch.randint(5, (3, 4)), engine=engine)
    with pytest.raises(ContractError, match="ids must be from 0 to 4; got 1 to 7"):
        unroll(cell, torch.tensor([[1, 7, 2, 3]]), engine=engine)
    assert unroll(cell, torch.randint(5, (3, 4)), engine=engine)[0].shape == (3, 4, 8)


def test_without_a_compiler_the_error_says_so(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setenv("SEQKIT_CACHE", str(workdir / "empty"))
    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        cell = random_cell(1)
        with pytest.raises(CompilerError, match="^engine 'compiled' needs a C\\+\\+ compiler"):
            unroll(cell, **inputs_of(cell, 1), engine="compiled")
    assert unroll(RNN(2, 3), inputs_of(cell, 1)["x"][..., :1].float().expand(-1, -1, 2))[0].shape[2] == 3
