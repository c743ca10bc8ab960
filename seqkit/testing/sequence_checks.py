"""Checks of a cell's contract for whole sequences: they add to the checks of a single step."""

from __future__ import annotations

import copy
import re

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.func import functional_call
from torch.utils import _pytree as pytree

from seqkit.cells.base import map_state
from seqkit.engine import unroll
from seqkit.engine.trace.graphs import is_differentiable
from seqkit.errors import StepError
from seqkit.model import SequenceModel
from seqkit.testing.cases import CellCase
from seqkit.testing.cell_checks import CELL_CHECKS, check
from seqkit.testing.comparing import (
    BATCH,
    TIME,
    leaves_of,
    one_input,
    random_state,
    require_equal,
    sequence,
)
from seqkit.testing.kit import CheckFailedError, require
from seqkit.training import Trainer

__all__ = ["CELL_CHECKS"]


@check
def check_runs_do_not_see_each_other(case: CellCase) -> None:
    """A sequence gives the same outputs, independent of what was run before it."""
    cell, x = case.make(), sequence(case)
    expected, _ = unroll(cell, x, engine="loop")
    unroll(cell, sequence(case, seed=9), engine="loop")
    require_equal(
        unroll(cell, x, engine="loop")[0],
        expected,
        "a sequence gives other outputs after another sequence was run; each run must be independent.\n"
        "  Keep everything that a step remembers in the state, not in attributes or buffers.",
    )


@check
def check_deterministic(case: CellCase) -> None:
    """The same input gives the same output, and no random number is drawn."""
    cell, x = case.make(), sequence(case)
    before = torch.get_rng_state()
    first, second = unroll(cell, x, engine="loop"), unroll(cell, x, engine="loop")
    remedy = (
        "If this is intended, declare it: CellPlugin(..., stochastic=True) or CellCase(..., stochastic=True)."
    )
    require(
        torch.equal(torch.get_rng_state(), before),
        f"the step draws random numbers; by default it must draw none.\n  {remedy}",
    )
    require_equal(
        first,
        second,
        "two runs over the same input must give the same outputs, but they differ.\n"
        "  Keep everything that a step remembers in the state, not in attributes or buffers.",
    )


@check
def check_rows_are_independent(case: CellCase) -> None:
    """A row does not depend on the input or the state of another row."""
    cell, x = case.make(), sequence(case)
    state = random_state(cell)
    outputs, final = unroll(cell, x, state, engine="loop")
    other_x, other_state = x.clone(), map_state(Tensor.clone, state)
    other_x[0] += 1
    for leaf in leaves_of(other_state):
        leaf[0] = leaf[0] + 1 if is_differentiable(leaf) else leaf[0]
    other_outputs, other_final = unroll(cell, other_x, other_state, engine="loop")
    require_equal(
        other_outputs[1:],
        outputs[1:],
        "the outputs of a row change with the input or the state of another row.\n"
        "  Compute each row in step from its own input and state alone, without operations over the batch.",
        1e-9,
    )
    rows = (map_state(lambda leaf: leaf[1:], other_final), map_state(lambda leaf: leaf[1:], final))
    require_equal(
        *rows,
        "the state of a row changes with the input or the state of another row.\n"
        "  Compute each row in step from its own input and state alone, without operations over the batch.",
        1e-9,
    )


@check
def check_batched_equals_one_by_one(case: CellCase) -> None:
    """Rows give the same outputs together as alone."""
    cell, x = case.make(), sequence(case)
    outputs, _ = unroll(cell, x, engine="loop")
    alone = torch.cat([unroll(cell, x[row : row + 1], engine="loop")[0] for row in range(BATCH)])
    require_equal(
        alone,
        outputs,
        "a row must give the same outputs alone as in a batch, but they differ.\n"
        "  Compute each row in step from its own input and state alone, without operations over the batch.",
        1e-9,
    )


@check
def check_causal(case: CellCase) -> None:
    """An output does not depend on later inputs."""
    cell, x = case.make(), sequence(case)
    outputs, _ = unroll(cell, x, engine="loop")
    later = torch.cat([x[:, :4], x[:, 4:] + 1], dim=1)
    require_equal(
        unroll(cell, later, engine="loop")[0][:, :4],
        outputs[:, :4],
        "outputs change with later inputs; they must depend only on inputs up to their own step.\n"
        "  Keep everything that a step remembers in the state, not in attributes or buffers.",
        1e-12,
    )


@check
def check_chunks_equal_the_whole(case: CellCase) -> None:
    """Two halves, with the state passed on, give the same as the whole."""
    cell, x = case.make(), sequence(case)
    whole, final = unroll(cell, x, engine="loop")
    first, state = unroll(cell, x[:, :3], engine="loop")
    second, after = unroll(cell, x[:, 3:], state, engine="loop")
    require_equal(
        (torch.cat([first, second], 1), after),
        (whole, final),
        "two halves of a sequence, with the state passed on, must give the same as the whole, but differ.\n"
        "  Keep everything that a step remembers in the state that it returns.",
        1e-12,
    )


@check
def check_reset_begins_anew(case: CellCase) -> None:
    """A row that is reset continues from the initial state."""
    cell, x = case.make(), sequence(case)
    reset = torch.zeros(BATCH, TIME, dtype=torch.bool)
    reset[1, 4] = True
    outputs, _ = unroll(cell, x, random_state(cell), reset=reset)
    fresh, _ = unroll(cell, x[:, 4:], engine="loop")
    require_equal(
        outputs[1, 4:],
        fresh[1],
        "after a reset, a row must give the same outputs as from the initial state, but they differ.\n"
        "  Keep everything that a step remembers in the state, not in attributes or buffers.",
        1e-9,
    )


@check
def check_changing_shapes(case: CellCase) -> None:
    """The batch size and the length may change from call to call."""
    cell = case.make()
    for batch, time in ((3, 5), (1, 5), (3, 2), (4, 1)):
        outputs, _ = unroll(cell, sequence(case)[:1, :1].expand(batch, time, -1))
        require(
            outputs.shape == (batch, time, cell.output_size),
            f"the outputs have the shape {tuple(outputs.shape)}, expected (batch, time, output_size).\n"
            "  Take the batch size from the input of each step; do not store it.",
        )


@CELL_CHECKS.where(lambda case: case.is_stochastic)
def check_draws_follow_the_seed(case: CellCase) -> None:
    """In training, the same seed gives the same outputs, and another seed gives others."""
    cell, x = case.make().train(), sequence(case)
    outputs = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            outputs.append(unroll(cell, x)[0])
    require_equal(
        outputs[1],
        outputs[0],
        "two runs in training with the same seed must give the same outputs, but they differ.\n"
        "  Draw all random numbers in step with torch's global generator.",
    )
    require(
        not torch.equal(outputs[2], outputs[0]),
        "another seed gives the same outputs, but the cell is declared as stochastic.\n"
        "  Draw the random numbers in step while self.training is true, or remove stochastic=True.",
    )


@CELL_CHECKS.where(lambda case: not case.has_surrogate_gradients)
def check_gradients(case: CellCase) -> None:
    """The gradients of inputs, states and parameters are those of finite differences."""
    cell = case.make()
    state = random_state(cell)
    leaves, spec = pytree.tree_flatten(state)
    moving = [index for index, leaf in enumerate(leaves) if is_differentiable(leaf)]
    parameters = {name: p.detach().clone() for name, p in cell.named_parameters() if p.requires_grad}

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        steps, rest = tensors[:2], tensors[2:]
        now = list(leaves)
        for index, tensor in zip(moving, rest[: len(moving)], strict=True):
            now[index] = tensor
        weights = dict(zip(parameters, rest[len(moving) :], strict=True))
        after, outputs = pytree.tree_unflatten(now, spec), []
        for x in steps:
            output, after = functional_call(cell, weights, (x, after))
            outputs.append(output)
        ends = [leaf for leaf in leaves_of(after) if is_differentiable(leaf)]
        # The difference of two infinities is NaN.
        return (*outputs, *(torch.where(leaf.isfinite(), leaf, 0) for leaf in ends))

    tensors = [
        one_input(case, seed=1),
        one_input(case, seed=2),
        *(leaves[i] for i in moving),
        *parameters.values(),
    ]
    inputs = tuple(tensor.detach().clone().requires_grad_() for tensor in tensors)
    names = ["the first input", "the second input", *(f"state[{index}]" for index in moving), *parameters]
    try:
        torch.autograd.gradcheck(run, inputs, atol=1e-5, rtol=1e-3)
    except GradcheckError as error:
        found = re.search(r"with respect to input (\d+)", str(error))
        of = f" of {names[int(found[1])]}" if found else ""
        raise CheckFailedError(
            f"the gradient{of} must equal that of finite differences, but it differs.\n"
            "  Look in step for detach, torch.no_grad and custom autograd functions. If the difference is "
            "intended, declare it: CellPlugin(..., surrogate_gradients=True)."
        ) from error


@check
def check_parameters_are_used(case: CellCase) -> None:
    """Every trained parameter gets a gradient within a few steps."""
    cell = case.make()
    if not any(parameter.requires_grad for parameter in cell.parameters()):
        return  # no trained parameter
    outputs, _ = unroll(cell, sequence(case), engine="loop")
    require(
        outputs.requires_grad,
        "no parameter gets a gradient; every trained one must get one.\n"
        "  Do not use detach or torch.no_grad in step.",
    )
    outputs.square().sum().backward()  # type: ignore[no-untyped-call]  # torch has not typed it
    unused = [name for name, p in cell.named_parameters() if p.requires_grad and p.grad is None]
    require(
        not unused,
        f"every trained parameter must get a gradient, but none reaches: {', '.join(unused)}.\n"
        "  Use each of them in step, remove it, or set requires_grad = False.",
    )


@check
def check_state_dict_round_trip(case: CellCase) -> None:
    """A second cell that loads the saved weights gives the same outputs."""
    cell, other = case.make(), case.make(seed=1)
    other.load_state_dict(cell.state_dict())
    x = sequence(case)
    require_equal(
        unroll(other, x)[0],
        unroll(cell, x)[0],
        "a second cell that loads the same state_dict must give the same outputs, but they differ.\n"
        "  Keep every tensor that step uses in a parameter or a buffer.",
    )


@check
def check_deepcopy(case: CellCase) -> None:
    """A deep copy gives the same outputs and shares no weights."""
    cell, x = case.make(), sequence(case)
    twin = copy.deepcopy(cell)
    expected, _ = unroll(cell, x)
    require_equal(
        unroll(twin, x)[0],
        expected,
        "a deep copy must give the same outputs as the cell, but they differ.\n"
        "  Keep every tensor that step uses in a parameter or a buffer.",
    )
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    require_equal(
        unroll(cell, x)[0],
        expected,
        "changing the weights of a deep copy changes the outputs of the cell; they must not share weights.\n"
        "  Let step read its weights from self, not from a closure, a global or a shared object.",
    )


@check
def check_float32_and_bfloat16(case: CellCase) -> None:
    """In lower precision the output keeps the cell's dtype and stays finite."""
    for dtype in (torch.float32,) if case.is_complex else (torch.float32, torch.bfloat16):
        try:
            outputs, state = unroll(case.make(dtype), sequence(case).to(dtype), engine="loop")
        except StepError as error:
            if dtype == torch.bfloat16 and re.search(
                r"Unsupported dtype|not implemented for|Half, Float or Double", str(error)
            ):
                continue  # PyTorch itself lacks the operation in bfloat16, such as a Fourier transform
            raise
        require(
            outputs.dtype == dtype,
            f"the outputs have the dtype {outputs.dtype} in a {dtype} cell, expected that of the cell.\n"
            "  Create tensors in step with the dtype of its input.",
        )
        require(
            bool(outputs.isfinite().all()),
            f"the outputs are not finite in {dtype}; all must be.\n"
            "  Look in step for exponentials, divisions and constants that overflow at this precision.",
        )
        for leaf in leaves_of(state):
            require(
                not leaf.is_floating_point() or leaf.dtype == dtype,
                f"the state has the dtype {leaf.dtype} in a {dtype} cell, expected that of the cell.\n"
                "  Create tensors in initial_state and step with the dtype of the parameters and the input.",
            )


@check
def check_trains(case: CellCase) -> None:
    """The loss decreases on a toy task: to repeat the id read two steps before."""
    tried = []
    for learning_rate in (0.02, 0.1, 0.005):
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            ids = torch.randint(case.input_size, (16, 14))
            model = SequenceModel(case.make(torch.float32), vocab_size=case.input_size)
            trainer = Trainer(model, torch.optim.AdamW(model.parameters(), lr=learning_rate))
            history = trainer.fit([(ids[:, 2:], ids[:, :-2])], steps=80)
        first, last = history.losses[0], history.losses[-1]
        if last < 0.9 * first:
            return
        tried.append(f"{last:.3f} at a learning rate of {learning_rate}")
    require(
        False,
        "on a toy task, the loss must fall below 90 % of its first value within 80 steps; "
        f"it is {', '.join(tried)}, from {first:.3f}.\n"
        "  Check the initial weights, the gradients, and that the state keeps past inputs. "
        "If the cell is not meant to learn this, declare it in expected_failures.",
    )
