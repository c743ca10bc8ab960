"""Which plans are made and kept, and what a cell may hold besides tensors."""

import itertools
import logging
import threading
import types
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqkit import Cell, unroll
from seqkit.engine import ENGINES, refusals_of, unroll_named
from seqkit.engine.plan import fused
from seqkit.engine.plan.plans import MOST_SETTINGS
from seqkit.errors import SplitError
from tests.engine.comparing import everything, require_equal

X = torch.randn(3, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
FACTOR = 1.0
CALLS = {"count": 0}


class Base(Cell):
    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = 3, 4, 4
        self.i2h, self.h2h = nn.Linear(3, 4), nn.Linear(4, 4)
        self.double()
        for name, value in held.items():
            setattr(self, name, value)

    def next(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.i2h(x) + self.h2h(h))

    def step(self, x: Tensor, h: Any) -> tuple[Tensor, Any]:
        h = self.next(x, h)
        return h, h


class Annealed(Base):
    slope = 1.0

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.slope * self.next(x, h)
        return h, h


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    made: list[object] = []

    def trace_step(*arguments: Any) -> Any:
        made.append(arguments)
        return original(*arguments)

    original = fused.trace_step
    monkeypatch.setattr(fused, "trace_step", trace_step)
    return made


class TestLimit:
    @pytest.mark.ci
    def test_an_annealed_attribute_ends_in_the_loop_and_is_named(
        self, traces: list[object], caplog: pytest.LogCaptureFixture
    ) -> None:
        cell = Annealed()
        with caplog.at_level(logging.WARNING):
            for index in range(MOST_SETTINGS + 5):
                cell.slope = 1.0 - 0.05 * index
                require_equal(everything(cell, X), everything(cell, X, engine="loop"))
        assert len(traces) == MOST_SETTINGS
        assert len(caplog.records) == 1
        (reason,) = refusals_of(cell)
        assert "it was split for 8 values of slope already" in reason
        assert "while training in a buffer" in reason
        cell.slope = 1.0  # a value that has a plan
        assert unroll_named(cell, X)[2] == "fused"

    def test_a_buffer_has_one_plan(self, traces: list[object]) -> None:
        class Buffered(Base):
            def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
                h = self.slope * self.next(x, h)
                return h, h

        cell = Buffered()
        cell.register_buffer("slope", torch.ones((), dtype=torch.float64))
        for index in range(12):
            cell.slope.fill_(1.0 - 0.05 * index)
            require_equal(everything(cell, X), everything(cell, X, engine="loop"))
        assert len(traces) == 1

    def test_a_tensor_that_the_step_does_not_read_needs_no_trace(self, traces: list[object]) -> None:
        cell = Base()
        for _ in range(3):
            cell.last = torch.randn(4)  # kept for inspection in training
            assert unroll_named(cell, X)[2] == "fused"
        assert len(traces) == 1

    @pytest.mark.ci
    def test_batch_sizes_have_no_such_limit(self) -> None:
        cell = Base()
        for rows in range(1, 13):
            assert unroll_named(cell, X[:1].expand(rows, -1, -1))[2] == "fused"


class TestErrors:
    def test_a_lack_of_memory_is_raised_and_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cell, full = Base(), [True]

        def trace_step(*arguments: Any) -> Any:
            if full:
                raise torch.OutOfMemoryError("out of memory")
            return original(*arguments)

        original = fused.trace_step
        monkeypatch.setattr(fused, "trace_step", trace_step)
        with pytest.raises(torch.OutOfMemoryError):
            unroll(cell, X)
        full.clear()
        assert unroll_named(cell, X)[2] == "fused"

    @pytest.mark.parametrize("times", [1, 2])
    def test_any_other_error_is_kept_when_it_comes_again(
        self, times: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cell, tries = Base(), itertools.count(1)

        def trace_step(*arguments: Any) -> Any:
            if next(tries) <= times:
                raise AssertionError("something within PyTorch")
            return original(*arguments)

        original = fused.trace_step
        monkeypatch.setattr(fused, "trace_step", trace_step)
        engines = [unroll_named(cell, X)[2] for _ in range(3)]
        assert engines == (["loop", "fused", "fused"] if times == 1 else ["loop"] * 3)


@dataclass
class Settings:
    slope: float = 1.0
    kinds: list[str] = field(default_factory=lambda: ["tanh"])


class ReadsSettings(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.cfg.slope * self.next(x, h)
        return h, h


class WritesThroughSettings(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        self.cfg.slope += 1.0  # here
        h = self.next(x, h)
        return h, h


class WritesToAList(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h)
        self.cfg.kinds.append("seen")  # here
        return h, h


class KeepsATensor(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.next(x, h)
        self.kept = h  # here
        return h, h


class ReadsAGlobal(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = FACTOR * self.next(x, h)
        return h, h


class WritesAGlobal(Base):
    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        CALLS["count"] += 1
        h = self.next(x, h)
        return h, h


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (WritesThroughSettings(cfg=Settings()), "cfg"),
        (WritesThroughSettings(cfg=SimpleNamespace(slope=1.0)), "cfg"),
        (WritesToAList(cfg=Settings()), "cfg"),
        (KeepsATensor(kept=torch.zeros(3, 4, dtype=torch.float64)), "kept"),
        (KeepsATensor(), "kept"),
    ],
)
def test_a_write_is_refused_with_its_line_and_leaves_no_trace(cell: Any, name: str) -> None:
    before = repr(getattr(cell, "cfg", None))
    with pytest.raises(
        SplitError, match=rf"(?s)it sets the attribute '{name}'.*test_plans.py, line \d+.*# here"
    ):
        unroll(cell, X, engine="fused")
    assert repr(getattr(cell, "cfg", None)) == before


def test_a_global_that_a_step_reads_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = ReadsAGlobal()
    for factor in (1.0, 0.5, 1.0):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        require_equal(everything(cell, X, engine="fused"), everything(cell, X, engine="loop"))


def test_a_global_that_a_step_writes_is_refused() -> None:
    with pytest.raises(SplitError, match="cannot be split"):
        unroll(WritesAGlobal(), X, engine="fused")


class TestWhatACellMayHold:
    @pytest.mark.parametrize(
        "held",
        [
            logging.getLogger("a"),
            threading.Lock(),
            torch.Generator(),
            {"a": (1, [2.0, None]), 3: {"x"}},
            slice(0, 2),
            types.MappingProxyType({"a": 1}),
            torch.tanh,
            np.dot,
            np.tanh,
            nn.functional.relu,
            lambda x: x + 1,
            Settings(),
            Settings,
            object(),
        ],
        ids=lambda held: type(held).__name__,
    )
    def test_these_are_compared(self, held: Any) -> None:
        assert unroll_named(Base(held=held), X)[2] == "fused"

    @pytest.mark.parametrize(
        ("held", "what"), [(iter([1, 2]), "a list_iterator"), (itertools.count(), "a count")]
    )
    def test_an_object_that_cannot_be_compared_is_refused_with_its_name(self, held: Any, what: str) -> None:
        with pytest.raises(SplitError, match=f"its attribute 'held' holds {what}, and a change of it"):
            unroll(Base(held=held), X, engine="fused")
        assert unroll_named(Base(held=held), X)[2] == "loop"

    def test_an_object_that_holds_itself(self) -> None:
        knot: Any = SimpleNamespace(slope=1.0)
        knot.me = knot
        cell = ReadsSettings(cfg=knot)
        for slope in (1.0, 0.5):
            knot.slope = slope
            require_equal(everything(cell, X, engine="fused"), everything(cell, X, engine="loop"))

    def test_more_than_can_be_compared_is_refused(self) -> None:
        deep: Any = SimpleNamespace(slope=1.0)
        for _ in range(12):
            deep = SimpleNamespace(inner=deep)
        with pytest.raises(SplitError, match="'cfg' holds more objects than can be compared"):
            unroll(Base(cfg=deep), X, engine="fused")


@pytest.mark.ci
def test_plans_are_freed_with_their_cell() -> None:
    import gc
    import weakref

    cell = Base()
    unroll(cell, X, engine="fused")
    gone = weakref.ref(cell)
    del cell
    gc.collect()
    assert gone() is None
    assert ENGINES["fused"]().plans is not None  # type: ignore[attr-defined]
