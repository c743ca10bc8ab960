"""What the contract of a cell says, check by check."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils import _pytree as pytree

from seqkit.cells.base import map_state
from seqkit.engine import ENGINES, unroll
from seqkit.model import SequenceModel
from seqkit.testing.cases import CellCase
from seqkit.testing.comparing import (
    BATCH,
    TIME,
    everything,
    leaves_of,
    one_input,
    random_state,
    require_equal,
    sequence,
    structure_of,
)
from seqkit.testing.kit import CheckList, require
from seqkit.training import Trainer

CELL_CHECKS: CheckList[CellCase] = CheckList()
check = CELL_CHECKS.check


@check
def check_input_size_comes_first(case: CellCase) -> None:
    """The first argument of the constructor is `input_size`, and the cell has both sizes."""
    require(case.parameters[:1] == ["input_size"], f"the constructor takes {case.parameters}")
    cell = case.make()
    require(cell.input_size == case.input_size, f"input_size is {cell.input_size}, not {case.input_size}")
    require(
        isinstance(cell.output_size, int) and cell.output_size > 0, f"output_size is {cell.output_size!r}"
    )


@check
def check_config_fields_are_keywords(case: CellCase) -> None:
    """Every field of the config is a keyword of the constructor."""
    missing = case.missing_keywords()
    require(not missing, f"the constructor has no keyword {', '.join(missing)}")


@check
def check_output_shape(case: CellCase) -> None:
    """A step gives `(batch, output_size)` in the cell's dtype, for one row and for several."""
    cell = case.make()
    for batch in (1, BATCH):
        output, _ = cell.step(one_input(case, batch), cell.initial_state(batch))
        expected = (batch, cell.output_size)
        require(tuple(output.shape) == expected, f"the output is {tuple(output.shape)}, not {expected}")
        require(output.dtype == torch.float64, f"the output is {output.dtype} in a float64 cell")


@check
def check_state_has_the_batch_first(case: CellCase) -> None:
    """Every tensor of the state has the batch first, at the start and after a step."""
    cell = case.make()
    for batch in (1, BATCH):
        state = cell.initial_state(batch)
        for now in (state, cell.step(one_input(case, batch), state)[1]):
            for leaf in leaves_of(now):
                require(
                    leaf.ndim >= 1 and len(leaf) == batch,
                    f"a state of shape {tuple(leaf.shape)} at batch {batch}",
                )


@check
def check_state_tree_is_stable(case: CellCase) -> None:
    """The state keeps its tree, shapes and dtypes from step to step."""
    cell = case.make()
    state = first = cell.initial_state(BATCH)
    for _ in range(3):
        _, state = cell.step(one_input(case), state)
        require(
            structure_of(state) == structure_of(first), f"{structure_of(first)} becomes {structure_of(state)}"
        )


@check
def check_initial_state_follows_the_parameters(case: CellCase) -> None:
    """The initial state has the dtype and the device of the parameters."""
    for dtype in (torch.float32, torch.float64):
        for leaf in leaves_of(case.make(dtype).initial_state(2)):
            require(not leaf.is_floating_point() or leaf.dtype == dtype, f"{leaf.dtype} in a {dtype} cell")
    if list(case.make().parameters()):
        for leaf in leaves_of(case.make().to("meta").initial_state(2)):
            require(leaf.device.type == "meta", f"a state on {leaf.device}, with the parameters elsewhere")


@check
def check_initial_state_is_fresh(case: CellCase) -> None:
    """Each call gives the same initial state, in memory of its own."""
    cell = case.make()
    first = cell.initial_state(BATCH)
    before = map_state(Tensor.clone, first)
    for leaf in leaves_of(first):
        leaf.detach().add_(1)
    require_equal(cell.initial_state(BATCH), before, "a change to one initial state shows in the next")


@check
def check_forward_is_step(case: CellCase) -> None:
    """Calling the cell is its step."""
    cell, x = case.make(), one_input(case)
    require_equal(cell(x, cell.initial_state(BATCH)), cell.step(x, cell.initial_state(BATCH)), "they differ")


@check
def check_step_changes_no_input(case: CellCase) -> None:
    """A step writes into neither its input nor its state."""
    cell, x = case.make(), one_input(case)
    state = random_state(cell)
    before = map_state(Tensor.clone, (x, state))
    with torch.no_grad():
        cell.step(x, state)
    require_equal((x, state), before, "the step wrote into what it was given")


@check
def check_step_leaves_no_trace(case: CellCase) -> None:
    """A step changes nothing in the cell: no attribute, no buffer, no parameter."""
    cell = case.make()
    before = {name: dict(vars(module)) for name, module in cell.named_modules()}
    values = map_state(Tensor.clone, dict(cell.state_dict()))
    cell.step(one_input(case), cell.initial_state(BATCH))
    for name, module in cell.named_modules():
        changed = [key for key in vars(module) if vars(module)[key] is not before[name].get(key)]
        require(not changed, f"the step sets self.{', self.'.join(changed)}")
    require_equal(dict(cell.state_dict()), values, "the step changes a buffer or a parameter")


@check
def check_runs_do_not_see_each_other(case: CellCase) -> None:
    """A sequence gives the same outputs whatever was run before it."""
    cell, x = case.make(), sequence(case)
    expected, _ = unroll(cell, x, engine="loop")
    unroll(cell, sequence(case, seed=9), engine="loop")
    require_equal(unroll(cell, x, engine="loop")[0], expected, "something leaks from one call into the next")


@check
def check_deterministic(case: CellCase) -> None:
    """The same input gives the same output, and no random number is drawn."""
    cell, x = case.make(), sequence(case)
    before = torch.get_rng_state()
    first, second = unroll(cell, x, engine="loop"), unroll(cell, x, engine="loop")
    require_equal(first, second, "two runs differ")
    require(torch.equal(torch.get_rng_state(), before), "the step draws random numbers")


@check
def check_rows_are_independent(case: CellCase) -> None:
    """A row does not see the input or the state of another."""
    cell, x = case.make(), sequence(case)
    state = random_state(cell)
    outputs, final = unroll(cell, x, state, engine="loop")
    other_x, other_state = x.clone(), map_state(Tensor.clone, state)
    other_x[0] += 1
    for leaf in leaves_of(other_state):
        leaf[0] = leaf[0] + 1 if leaf.is_floating_point() else leaf[0]
    other_outputs, other_final = unroll(cell, other_x, other_state, engine="loop")
    require_equal(other_outputs[1:], outputs[1:], "another row's input shows in an output", 1e-9)
    rows = (map_state(lambda leaf: leaf[1:], other_final), map_state(lambda leaf: leaf[1:], final))
    require_equal(*rows, "another row's input shows in a state", 1e-9)


@check
def check_batched_equals_one_by_one(case: CellCase) -> None:
    """Rows together give what they give alone."""
    cell, x = case.make(), sequence(case)
    outputs, _ = unroll(cell, x, engine="loop")
    alone = torch.cat([unroll(cell, x[row : row + 1], engine="loop")[0] for row in range(BATCH)])
    require_equal(alone, outputs, "a row alone differs", 1e-9)


@check
def check_causal(case: CellCase) -> None:
    """An output does not see later inputs."""
    cell, x = case.make(), sequence(case)
    outputs, _ = unroll(cell, x, engine="loop")
    later = torch.cat([x[:, :4], x[:, 4:] + 1], dim=1)
    require_equal(unroll(cell, later, engine="loop")[0][:, :4], outputs[:, :4], "a later input shows", 1e-12)


@check
def check_chunks_equal_the_whole(case: CellCase) -> None:
    """Two halves, with the state handed on, give what the whole gives."""
    cell, x = case.make(), sequence(case)
    whole, final = unroll(cell, x, engine="loop")
    first, state = unroll(cell, x[:, :3], engine="loop")
    second, after = unroll(cell, x[:, 3:], state, engine="loop")
    require_equal((torch.cat([first, second], 1), after), (whole, final), "the halves differ", 1e-12)


@check
def check_reset_begins_anew(case: CellCase) -> None:
    """A row that is reset goes on as from the initial state."""
    cell, x = case.make(), sequence(case)
    reset = torch.zeros(BATCH, TIME, dtype=torch.bool)
    reset[1, 4] = True
    outputs, _ = unroll(cell, x, random_state(cell), reset=reset)
    fresh, _ = unroll(cell, x[:, 4:], engine="loop")
    require_equal(outputs[1, 4:], fresh[1], "the row remembers what was before the reset", 1e-9)


@check
def check_changing_shapes(case: CellCase) -> None:
    """The batch size and the length may change from call to call."""
    cell = case.make()
    for batch, time in ((3, 5), (1, 5), (3, 2), (4, 1)):
        outputs, _ = unroll(cell, sequence(case)[:1, :1].expand(batch, time, -1))
        require(outputs.shape == (batch, time, cell.output_size), f"outputs of {tuple(outputs.shape)}")


@check
def check_every_engine_equals_the_loop(case: CellCase) -> None:
    """Outputs, final state and all gradients of every engine, `auto` included, are the loop's."""
    reset = torch.zeros(BATCH, TIME, dtype=torch.bool)
    reset[0, 2] = reset[2, 5] = True
    expected = everything(case, "loop", reset)
    for engine in ("auto", *ENGINES):
        require_equal(everything(case, engine, reset), expected, f"engine {engine!r} differs", 1e-8)


@check
def check_gradients(case: CellCase) -> None:
    """The gradients of inputs, states and parameters are those of finite differences."""
    cell = case.make()
    state = random_state(cell)
    leaves, spec = pytree.tree_flatten(state)
    moving = [index for index, leaf in enumerate(leaves) if leaf.is_floating_point()]
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
        return (*outputs, *(leaf for leaf in leaves_of(after) if leaf.is_floating_point()))

    tensors = [
        one_input(case, seed=1),
        one_input(case, seed=2),
        *(leaves[i] for i in moving),
        *parameters.values(),
    ]
    inputs = tuple(tensor.detach().clone().requires_grad_() for tensor in tensors)
    torch.autograd.gradcheck(run, inputs, atol=1e-5, rtol=1e-3)


@check
def check_parameters_are_used(case: CellCase) -> None:
    """Every trained parameter gets a gradient within a few steps."""
    cell = case.make()
    outputs, _ = unroll(cell, sequence(case), engine="loop")
    outputs.square().sum().backward()  # type: ignore[no-untyped-call]  # torch has not typed it
    unused = [name for name, p in cell.named_parameters() if p.requires_grad and p.grad is None]
    require(not unused, f"no gradient reaches {', '.join(unused)}")


@CELL_CHECKS.where(lambda case: case.has_scan)
def check_scan_equals_step(case: CellCase) -> None:
    """`scan` gives outputs, final state and gradients of the steps, resets included."""
    generator = torch.Generator().manual_seed(3)
    for share in (0.0, 0.3):
        reset = torch.rand(BATCH, TIME, generator=generator) < share
        expected = everything(case, "loop", reset)
        require_equal(everything(case, "scan", reset), expected, "scan differs from the steps", 1e-7)


@check
def check_state_dict_round_trip(case: CellCase) -> None:
    """Weights that are saved and loaded into another cell give the same outputs."""
    cell, other = case.make(), case.make(seed=1)
    other.load_state_dict(cell.state_dict())
    x = sequence(case)
    require_equal(unroll(other, x)[0], unroll(cell, x)[0], "the state dict does not hold everything")


@check
def check_deepcopy(case: CellCase) -> None:
    """A deep copy gives the same outputs and shares no weight."""
    cell, x = case.make(), sequence(case)
    twin = copy.deepcopy(cell)
    expected, _ = unroll(cell, x)
    require_equal(unroll(twin, x)[0], expected, "the copy differs")
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    require_equal(unroll(cell, x)[0], expected, "the copy shares weights with the cell")


@check
def check_float32_and_bfloat16(case: CellCase) -> None:
    """In lower precision the output keeps the cell's dtype and stays finite."""
    for dtype in (torch.float32, torch.bfloat16):
        outputs, state = unroll(case.make(dtype), sequence(case).to(dtype), engine="loop")
        require(outputs.dtype == dtype, f"outputs are {outputs.dtype} in a {dtype} cell")
        require(bool(outputs.isfinite().all()), f"outputs are not finite in {dtype}")
        for leaf in leaves_of(state):
            require(
                not leaf.is_floating_point() or leaf.dtype == dtype, f"a state is {leaf.dtype} in {dtype}"
            )


@check
def check_trains(case: CellCase) -> None:
    """The loss falls on a toy task: to repeat what was read two steps before."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        ids = torch.randint(case.input_size, (16, 14))
        model = SequenceModel(case.make(torch.float32), vocab_size=case.input_size)
        trainer = Trainer(model, torch.optim.AdamW(model.parameters(), lr=0.02))
        history = trainer.fit([(ids[:, 2:], ids[:, :-2])], steps=80)
    first, last = history.losses[0], history.losses[-1]
    require(last < 0.9 * first, f"after 80 steps the loss is {last:.3f}, from {first:.3f}")
