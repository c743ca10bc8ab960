"""The engine that needs a compiler."""

import pytest
import torch

from seqkit import Cell, unroll
from seqkit.bench.steps import GRU, LSTM, LayerNormLSTM
from seqkit.cells import RNN
from seqkit.errors import SplitError
from tests.engine.comparing import everything, inputs_of, require_equal
from tests.engine.random_cells import random_cell


@pytest.mark.parametrize("kind", [GRU, LSTM, LayerNormLSTM])
def test_gated_cells(kind: type[Cell]) -> None:
    cell = kind(5, 8).double()
    ids = torch.randint(5, (3, 7))
    require_equal(everything(cell, ids, engine="compiled"), everything(cell, ids, engine="loop"))


@pytest.mark.parametrize("seed", range(5))
def test_compiled_is_the_loop(seed: int) -> None:
    cell = random_cell(seed)
    given = inputs_of(cell, seed)
    require_equal(everything(cell, **given, engine="compiled"), everything(cell, **given, engine="loop"))


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        cell = random_cell(1)
        with pytest.raises(SplitError, match="needs a C\\+\\+ compiler"):
            unroll(cell, **inputs_of(cell, 1), engine="compiled")
    assert unroll(RNN(2, 3), inputs_of(cell, 1)["x"][..., :1].float().expand(-1, -1, 2))[0].shape[2] == 3
