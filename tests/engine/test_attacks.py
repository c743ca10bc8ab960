"""Faults that were found by attacking the engine, each of another kind."""

import functools
import gc
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell, unroll
from seqkit.engine import unroll_named
from seqkit.errors import SplitError
from tests.engine.comparing import everything, require_equal

X = torch.randn(3, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
OPTIONS = {"slope": 1.0}


class Base(Cell):
    scale: float | None = 0.5

    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = 3, 4, 4
        self.i2h, self.h2h, self.other = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.double()
        for name, value in held.items():
            setattr(self, name, value)

    def next(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.i2h(x) + self.h2h(h))

    def step(self, x: Tensor, h: Any) -> tuple[Tensor, Any]:
        h = self.next(x, h)
        return h, h


def require_loop(cell: Cell, engine: str = "fused", **given: Any) -> None:
    require_equal(everything(cell, X, **given, engine=engine), everything(cell, X, **given, engine="loop"))


def helper(h: Tensor) -> Tensor:
    return deeper(h)


def deeper(h: Tensor) -> Tensor:
    return deepest(h)


def deepest(h: Tensor) -> Tensor:
    return h * OPTIONS["slope"]


class TestChanges:
    def test_another_module_under_the_same_name(self) -> None:
        cell = Base()
        for current in (cell.h2h, cell.other, cell.h2h):
            cell.h2h = current
            require_loop(cell)

    def test_another_parameter_under_the_same_name(self) -> None:
        class TwoWeights(Base):
            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                h = torch.tanh(self.i2h(x) + h @ self.w)
                return h, h

        cell = TwoWeights()
        cell.a, cell.b = (nn.Parameter(torch.randn(4, 4, dtype=torch.float64)) for _ in range(2))
        for current in (cell.a, cell.b):
            cell.w = current
            require_loop(cell)

    def test_none_in_place_of_a_class_attribute(self) -> None:
        class Scaled(Base):
            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                h = self.next(x, h)
                return h, h if self.scale is None else self.scale * h

        cell = Scaled()
        require_loop(cell)
        cell.scale = None
        require_loop(cell)

    def test_a_global_at_the_end_of_a_chain_of_helpers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Helped(Base):
            @property
            def slope(self) -> float:
                return OPTIONS["slope"]

            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                h = self.slope * helper(self.next(x, h))
                return h, h

        cell = Helped()
        for slope in (1.0, 0.5):
            monkeypatch.setitem(OPTIONS, "slope", slope)
            require_loop(cell)

    def test_attributes_of_functions_and_bound_functions(self) -> None:
        def act(h: Tensor) -> Tensor:
            return h * act.scale  # type: ignore[attr-defined]

        class Held(Base):
            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                h = act(self.next(x, h)) * self.of("slope")
                return h, h

        settings = {"slope": 1.0}
        cell = Held(of=settings.get)
        for scale, slope in ((1.0, 1.0), (0.3, 1.0), (0.3, 0.2)):
            act.scale, settings["slope"] = scale, slope  # type: ignore[attr-defined]
            require_loop(cell)

    def test_an_initial_state_that_has_gradients_later(self) -> None:
        class Encoded(Base):
            start: Tensor

            def initial_state(self, batch_size: int) -> Tensor:
                return self.start.expand(batch_size, -1)

        cell = Encoded()
        reset = torch.zeros(3, 5, dtype=torch.bool)
        reset[1, 2] = reset[2, 4] = True
        gradients = []
        for engine in ("fused", "loop"):
            for differentiable in (False, True):
                cell.start = torch.ones(4, dtype=torch.float64, requires_grad=differentiable)
                outputs, _ = unroll(cell, X, reset=reset, engine=engine)
            gradients += torch.autograd.grad(outputs.square().sum(), cell.start)
        require_equal(*gradients)


class TestTheCellIsLeftAlone:
    @pytest.mark.parametrize("cached", ["lru", "class", "object"])
    def test_a_mask_that_is_cached_holds_numbers(self, cached: str) -> None:
        @functools.lru_cache
        def mask(size: int) -> Tensor:
            return torch.ones(size, dtype=torch.float64)

        class Caches(Base):
            kept: dict[int, Tensor] = {}

            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                if cached == "lru":
                    h = self.next(x, h) * mask(h.shape[1])
                else:
                    held = self.kept if cached == "class" else self.memory.__dict__
                    if "m" not in held:
                        held["m"] = torch.ones(h.shape[1], dtype=h.dtype)
                    h = self.next(x, h) * held["m"]
                return h, h

        cell = Caches(memory=SimpleNamespace())
        assert unroll_named(cell, X)[2] == "loop"
        require_loop(cell, engine="auto")

    @pytest.mark.parametrize("kind", ["array", "closure", "set", "bound"])
    def test_a_counter_moves_as_in_the_loop(self, kind: str) -> None:
        def counter() -> Any:
            count = 0

            def tick() -> int:
                nonlocal count
                count += 1
                return count

            return tick

        class Counts(Base):
            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                if kind == "array":
                    self.array += 1
                elif kind == "closure":
                    self.tick()
                elif kind == "set":
                    next(iter(self.objects)).n += 1
                else:
                    self.record(len(h))
                h = self.next(x, h)
                return h, h

        class Item:
            n = 0

        history: list[int] = []
        cell = Counts(array=np.zeros(1), tick=counter(), objects={Item()}, record=history.append)
        with pytest.raises(SplitError):
            unroll(cell, X, engine="fused")
        seen = float(cell.array[0]), next(iter(cell.objects)).n, len(history)
        assert seen == (0.0, 0, 0)

    def test_a_class_with_one_instance(self) -> None:
        class Single(nn.Module):
            it = None

            def __new__(cls) -> Any:
                cls.it = cls.it or super().__new__(cls)
                return cls.it

            def forward(self, h: Tensor) -> Tensor:
                return torch.tanh(h)

        class Holds(Base):
            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                h = self.act(self.i2h(x) + self.h2h(h))
                return h, h

        require_loop(Holds(act=Single()))


class TestErrors:
    def test_a_backward_hook_is_refused(self) -> None:
        cell = Base()
        cell.h2h.register_full_backward_hook(lambda module, inputs, outputs: None)
        with pytest.raises(SplitError, match="the module 'h2h' has a backward hook"):
            unroll(cell, X, engine="fused")

    def test_a_hook_on_all_modules_is_refused(self) -> None:
        cell = Base()
        handle = nn.modules.module.register_module_forward_hook(lambda module, inputs, output: None)
        try:
            with pytest.raises(SplitError, match="a hook is registered for all modules"):
                unroll(cell, X, engine="fused")
        finally:
            handle.remove()
        require_loop(cell)

    def test_a_refusal_that_the_step_catches(self) -> None:
        class Catches(Base):
            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                try:
                    scale = float(h.detach().abs().max())
                except Exception:
                    scale = 0.0
                h = self.next(x, h) + scale
                return h, h

        with pytest.raises(SplitError, match="needs the value of a tensor"):
            unroll(Catches(), X, engine="fused")

    def test_a_method_that_names_a_module_of_its_file(self) -> None:
        elsewhere = nn.Linear(2, 2)

        class Draws(Base):
            def draw(self) -> Any:
                return elsewhere.weight

        require_loop(Draws())

    def test_a_state_that_is_not_a_tensor(self) -> None:
        class Counts(Base):
            def initial_state(self, batch_size: int) -> Any:
                return self.zeros(batch_size, 4), 0

            def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
                h = self.next(x, state[0])
                return h, (h, state[1] + 1)

        with pytest.raises(SplitError, match="its state holds a int, which is not a tensor"):
            unroll(Counts(), X, engine="fused")

    def test_a_cell_without_a_state(self) -> None:
        class Stateless(Base):
            def initial_state(self, batch_size: int) -> Any:
                return ()

            def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
                return torch.tanh(self.i2h(x)), ()

        require_loop(Stateless())


def test_outputs_without_gradients_have_memory_of_their_own() -> None:
    class Passes(Base):
        input_size = output_size = 3

        def __init__(self) -> None:
            super().__init__()
            self.output_size = 3

        def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            return x, self.next(x, h)

    x = X.clone()
    with torch.no_grad():
        outputs, _ = unroll(Passes(), x, engine="fused")
    outputs.zero_()
    require_equal(x, X)


def holder(kind: str) -> Base:
    cell = Base()
    held = {"method": cell.next, "closure": lambda: cell.h2h, "list": [cell.h2h, cell.i2h]}
    cell.held = held[kind]
    return cell


@pytest.mark.parametrize("kind", ["method", "closure", "list"])
def test_a_cell_that_holds_itself_is_freed(kind: str) -> None:
    cell = holder(kind)
    unroll(cell, X, engine="fused")
    gone = weakref.ref(cell)
    del cell
    gc.collect()
    assert gone() is None
