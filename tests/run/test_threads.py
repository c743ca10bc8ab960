"""A run that is used by several threads at once: each gets the same result as a single thread."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import torch

import seqkit
from seqkit import SequenceModel, unroll
from seqkit.bench.steps import LSTM
from seqkit.cells import RNN, Stacked

THREADS = 8


@pytest.fixture
def opened(tiny_recipe: seqkit.Recipe) -> Any:
    recipe = tiny_recipe.override(["model.layers=2", "model.dropout=0.3", "train.steps=3"])
    seqkit.train(recipe, out="run")
    return lambda: seqkit.load("run", device="cpu")


def ask(run: Any, question: int) -> Any:
    kind = question % 5
    if kind < 3:
        return run.score("the cat sat on the mat"[: 5 + question % 15]).bits_per_char
    if kind == 3:
        return run.generate("the ", max_tokens=8, seed=question % 7)
    return run.evaluate("validation")["loss"]


@pytest.mark.ci
def test_a_run_just_opened_answers_eight_threads_as_it_answers_one(opened: Any) -> None:
    questions = range(1000)
    alone = opened()
    expected = {(q % 5, q % 15, q % 7): ask(alone, q) for q in range(105)}
    run, barrier = opened(), Barrier(THREADS)

    def answers(first: int) -> list[bool]:
        barrier.wait()
        mine = questions[first::THREADS]
        return [ask(run, q) == expected[q % 5, q % 15, q % 7] for q in mine]

    with ThreadPoolExecutor(THREADS) as pool:
        found = [right for part in pool.map(answers, range(THREADS)) for right in part]
    assert len(found) == 1000
    assert all(found)


def test_a_run_is_opened_and_left_in_evaluation_mode(opened: Any, tiny_recipe: seqkit.Recipe) -> None:
    run = opened()
    assert not any(module.training for module in run.model.modules())
    trained = seqkit.train(tiny_recipe.override(["model.dropout=0.5"]), out="other")
    assert not any(module.training for module in trained.model.modules())
    ids = torch.zeros(1, 5, dtype=torch.long)
    assert torch.equal(run.model(ids)[0], run.model(ids)[0])


@pytest.mark.parametrize("repeat", range(3))
def test_first_use_by_several_threads_leaves_the_weights_alone(repeat: int) -> None:
    torch.manual_seed(repeat)
    model = SequenceModel(Stacked([LSTM(7, 6), RNN(6, 5)]), vocab_size=7)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ids = torch.randint(7, (THREADS, 3, 9))
    barrier = Barrier(THREADS)

    def gradients(index: int) -> list[torch.Tensor]:
        barrier.wait()
        outputs, _ = model(ids[index])
        return list(torch.autograd.grad(outputs.square().sum(), [*model.parameters()]))

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(gradients, range(THREADS)))
    assert model.engine_ran == "fused"
    for index, part in enumerate(found):
        outputs, _ = model(ids[index])
        alone = torch.autograd.grad(outputs.square().sum(), [*model.parameters()])
        for one, other in zip(part, alone, strict=True):
            torch.testing.assert_close(one, other)
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(isinstance(parameter, torch.nn.Parameter) for parameter in model.parameters())


def test_several_cells_are_traced_by_several_threads() -> None:
    cells = [RNN(3, 4 + index).double() for index in range(THREADS)]
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    barrier = Barrier(THREADS)

    def run(cell: RNN) -> torch.Tensor:
        barrier.wait()
        return unroll(cell, x, engine="fused")[0].detach()

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(run, cells))
    for cell, outputs in zip(cells, found, strict=True):
        torch.testing.assert_close(outputs, unroll(cell, x, engine="loop")[0].detach())
