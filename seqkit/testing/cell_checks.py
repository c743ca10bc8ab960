"""What the contract of a cell says about a single step, check by check."""

from __future__ import annotations

import tomllib

import tomli_w
import torch
from torch import Tensor

from seqkit.cells.base import map_state
from seqkit.engine.trace.graphs import is_differentiable
from seqkit.recipe.validation import unwritable, validate_config
from seqkit.testing.cases import CellCase
from seqkit.testing.comparing import (
    BATCH,
    leaves_of,
    one_input,
    random_state,
    require_equal,
    structure_of,
)
from seqkit.testing.kit import CheckList, require

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


@CELL_CHECKS.where(lambda case: case.declaration is not None)
def check_config_survives_a_recipe(case: CellCase) -> None:
    """The config is the same after it was written to a recipe and read again."""
    assert case.declaration is not None  # the check applies where there is one
    config = validate_config(case.declaration.config, case.config)
    faults = unwritable(config)
    require(not faults, "; ".join(f"{name}: {said}" for name, said in faults.items()))
    text = tomli_w.dumps(config.model_dump(exclude_none=True))
    again = validate_config(case.declaration.config, tomllib.loads(text))
    changed = [name for name in type(config).model_fields if getattr(config, name) != getattr(again, name)]
    require(not changed, f"{', '.join(changed)}: another value comes back from a recipe")


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
    for dtype, complex_dtype in ((torch.float32, torch.complex64), (torch.float64, torch.complex128)):
        for leaf in leaves_of(case.make(dtype).initial_state(2)):
            expected = complex_dtype if leaf.is_complex() else dtype
            require(not is_differentiable(leaf) or leaf.dtype == expected, f"{leaf.dtype} in a {dtype} cell")
    if list(case.make().parameters()):
        for leaf in leaves_of(case.make().to("meta").initial_state(2)):
            require(leaf.device.type == "meta", f"a state on {leaf.device}, with the parameters elsewhere")


@check
def check_initial_state_is_fresh(case: CellCase) -> None:
    """Each call gives the same initial state, in memory of its own."""
    cell = case.make()
    first = cell.initial_state(BATCH)
    before = map_state(Tensor.clone, first)
    weights = {tensor.untyped_storage().data_ptr() for tensor in cell.parameters()}
    for leaf in leaves_of(first):
        if leaf.untyped_storage().data_ptr() not in weights:  # a learned one is a look at a parameter
            leaf.detach().as_strided((1,), (1,), 0).fill_(7)  # of an expanded one, what all rows look at
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
