"""Uses of `unroll` besides training: exporting, mapping, modifying the outputs in place, stacks."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from seqkit import Cell, SequenceModel, unroll
from seqkit.bench.steps import LSTM
from seqkit.cells import RNN, Stacked
from seqkit.engine import unroll_named
from seqkit.errors import ContractError, SplitError
from seqkit.model import Embedding
from tests.engine.comparing import everything, require_equal

IDS = torch.randint(7, (3, 6), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("engine", ["loop", "auto"])
@pytest.mark.parametrize("resets", [False, True])
def test_a_model_can_be_exported(engine: str, resets: bool) -> None:
    model = SequenceModel(LSTM(7, 4), vocab_size=7, engine=engine).eval()
    reset = torch.rand(3, 6) < 0.3 if resets else None
    given = (IDS, None, reset) if resets else (IDS,)
    expected, _ = model(*given)
    program = torch.export.export(model, given)
    found, _ = program.module()(*given)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("engine", ["loop", "auto"])
def test_gradients_of_single_rows(engine: str) -> None:
    model = SequenceModel(LSTM(7, 4), vocab_size=7, engine=engine)
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def loss(weights: dict[str, Tensor], ids: Tensor) -> Tensor:
        outputs, _ = torch.func.functional_call(model, weights, (ids[None],))
        return outputs.square().sum()

    rows = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, IDS)
    one = torch.func.grad(loss)(weights, IDS[1])
    for name, gradient in one.items():
        torch.testing.assert_close(rows[name][1], gradient)


@pytest.mark.parametrize("engine", ["loop", "fused", "auto"])
@pytest.mark.parametrize("recompute_every", [None, 2])
def test_outputs_may_be_modified_in_place(engine: str, recompute_every: int | None) -> None:
    cell = LSTM(7, 4).double()
    found, expected = [], []
    for outcome, inplace in ((found, True), (expected, False)):
        outputs, _ = unroll(cell, IDS, engine=engine, recompute_every=recompute_every)
        outputs = outputs.relu_() if inplace else outputs.relu()
        outcome += [outputs.detach(), *torch.autograd.grad(outputs.square().sum(), [*cell.parameters()])]
    require_equal(found, expected)


@pytest.mark.parametrize("engine", ["loop", "fused"])
def test_a_head_may_modify_them_in_place(engine: str) -> None:
    torch.manual_seed(0)
    gradients = []
    for inplace in (True, False):
        torch.manual_seed(0)
        head = nn.Sequential(nn.ReLU(inplace=inplace), nn.Linear(4, 7))
        model = SequenceModel(LSTM(7, 4), vocab_size=7, engine=engine)
        model.head = head  # type: ignore[assignment]  # it computes as one
        model(IDS)[0].square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    require_equal(*gradients)


@pytest.mark.parametrize(
    "options", [{"padding_idx": 0}, {"max_norm": 0.5}, {"scale_grad_by_freq": True}, {"sparse": True}]
)
def test_options_of_an_embedding_are_honoured(options: dict[str, Any]) -> None:
    gradients = []
    for kind in (Embedding, nn.Embedding):
        torch.manual_seed(0)
        encoder = kind(7, 4, **options)
        model = SequenceModel(RNN(4, 5), encoder=encoder, vocab_size=7)
        model(IDS)[0].square().sum().backward()
        assert encoder.weight.grad is not None
        gradients.append(encoder.weight.grad.to_dense())
    require_equal(gradients[0], gradients[1], 1e-5)
    assert gradients[0].abs().sum() > 0


class TestScan:
    class Decaying(Cell):
        def __init__(self, fault: float = 0.0) -> None:
            super().__init__()
            self.input_size, self.hidden_size, self.output_size = 3, 4, 4
            self.i2h, self.decay = nn.Linear(3, 4), nn.Parameter(torch.zeros(4))
            self.fault = fault

        def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.sigmoid(self.decay) * h + self.i2h(x)
            return h, h

        def scan(self, x: Tensor, state: Tensor, reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
            from seqkit.plugin import linear_scan

            values = self.i2h(x)
            log_decay = nn.functional.logsigmoid(self.decay + self.fault * self.decay)
            return linear_scan(log_decay.expand(values.shape), values, state, reset)

    def test_it_is_an_engine_by_name(self) -> None:
        cell, x = self.Decaying().double(), torch.randn(3, 6, 3, dtype=torch.float64, requires_grad=True)
        reset = torch.rand(3, 6) < 0.3
        require_equal(
            everything(cell, x, reset=reset, engine="scan"), everything(cell, x, reset=reset, engine="loop")
        )
        assert unroll_named(cell, x, engine="scan")[2] == "scan"

    def test_it_is_compared_with_the_loop_also_with_moved_weights(self) -> None:
        cell, x = self.Decaying(fault=1.0).double(), torch.randn(3, 6, 3, dtype=torch.float64)
        with pytest.raises(SplitError, match="differs from the loop's"):
            unroll(cell, x, engine="scan")  # while the decay is zero, it does not

    def test_a_cell_without_one_is_refused(self) -> None:
        with pytest.raises(SplitError, match=r"RNN has no scan\(x, state, reset\)"):
            unroll(RNN(3, 4), torch.zeros(2, 5, 3), engine="scan")


@pytest.mark.ci
def test_stacks_of_stacks_and_of_one_cell_twice() -> None:
    cell = RNN(4, 4)
    for stack in (Stacked([RNN(7, 4), Stacked([RNN(4, 4), RNN(4, 4)])]), Stacked([RNN(7, 4), cell, cell])):
        stack = stack.double()
        x = torch.randn(3, 6, 7, dtype=torch.float64, requires_grad=True)
        require_equal(everything(stack, x, engine="fused"), everything(stack, x, engine="loop"))
        model = SequenceModel(stack, vocab_size=7).double()
        model(IDS)[0].sum().backward()
        assert model.engine_ran == "fused"


@pytest.mark.parametrize("engine", ["loop", "auto"])
def test_a_deep_copy_of_a_parametrised_cell_in_a_stack_has_its_own_weights(engine: str) -> None:
    cell = LSTM(4, 4).double()
    parametrizations.weight_norm(cell.h2h)
    twin = copy.deepcopy(cell)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(0.5)
    x = torch.randn(3, 6, 4, dtype=torch.float64)
    found, _ = unroll(Stacked([cell, twin]), x, engine=engine)
    hidden, _ = unroll(cell, x, engine="loop")
    require_equal(found, unroll(twin, hidden, engine="loop")[0])
    gradients = torch.autograd.grad(found.sum(), [*twin.parameters()])
    assert all(bool(gradient.abs().sum()) for gradient in gradients)


def test_a_weight_is_computed_once_per_unroll_by_every_engine() -> None:
    class Counted(nn.Module):
        calls = 0

        def forward(self, weight: Tensor) -> Tensor:
            Counted.calls += 1
            return weight * 0.5

    cell = LSTM(4, 4)
    parametrize.register_parametrization(cell.h2h, "weight", Counted())
    for engine in ("loop", "fused"):
        unroll(cell, torch.randn(3, 6, 4), engine=engine)
        for _ in range(2):
            Counted.calls = 0
            unroll(cell, torch.randn(3, 6, 4), engine=engine, recompute_every=2)
            assert Counted.calls == 1


class Listed(Cell):
    def __init__(self, held: Any) -> None:
        super().__init__()
        self.input_size = self.hidden_size = self.output_size = 4
        self.held = held

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return x + h, h


@pytest.mark.parametrize("engine", ["loop", "auto"])
@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([nn.Linear(4, 4)], "Listed.held holds a module that is not registered.*nn.ModuleList"),
        ({"a": [nn.Linear(4, 4)]}, "Listed.held holds a module .*nn.ModuleDict"),
        ([nn.Parameter(torch.zeros(4))], "Listed.held holds a parameter .*nn.ParameterList"),
    ],
)
def test_weights_that_would_not_be_saved_are_refused(held: Any, said: str, engine: str) -> None:
    with pytest.raises(ContractError, match=f"(?s){said}"):
        unroll(Listed(held), torch.zeros(2, 3, 4), engine=engine)
    with pytest.raises(ContractError, match=f"(?s){said}"):
        SequenceModel(Listed(held), vocab_size=4)


def test_a_list_of_registered_modules_is_fine() -> None:
    cell = RNN(3, 4)
    cell.order = [cell.h2h, cell.i2h]
    cell.mine = lambda: cell.h2h.weight
    unroll(cell, torch.zeros(2, 3, 3), engine="fused")


def test_cells_that_are_not_written_as_steps() -> None:
    class OnlyForward(Cell):
        def forward(self, x: Tensor, state: Tensor) -> Any:
            return x, state

    class ThreeArguments(RNN):
        def step(self, x: Tensor, h: Tensor, c: Tensor) -> Any:  # type: ignore[override]
            return x, (h, c)

    with pytest.raises(ContractError, match=r"(?s)OnlyForward has no step.*forward: rename that to step"):
        OnlyForward()
    with pytest.raises(ContractError) as caught:
        unroll(ThreeArguments(3, 4), torch.zeros(2, 3, 3))
    assert str(caught.value) == (
        "ThreeArguments.step takes (x, h, c); a step takes (x, state).\n"
        "  Put several tensors in one state, a tuple: def step(self, x, state), then h, c = state."
    )


def test_state_kept_on_the_cell_has_a_clear_message() -> None:
    from seqkit import Trainer

    class Keeps(RNN):
        kept: Tensor | None = None

        def step(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(self.i2h(x) + self.h2h(h if self.kept is None else self.kept))
            self.kept = h
            return h, h

    model = SequenceModel(Keeps(7, 4), vocab_size=7)
    trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(ContractError, match=r"(?s)must not keep a tensor on its cell.*part of the state"):
        trainer.fit([(IDS, IDS)], steps=3)
